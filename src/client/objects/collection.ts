import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import type {Parser} from '../../schema/validate.ts';
import type {Transaction} from '../../store/transaction.ts';
import {StoredObject} from './stored-object.ts';

/** One kind of objects: where they are, and what their ids look like. */
export interface ObjectKind<T extends object> {
  /** In the singular, for messages. */
  readonly what: string;
  /** Their keys without the id, with a slash at the end. */
  readonly root: string;
  readonly isId: (text: string) => boolean;
  readonly parse: Parser<T>;
}

/** One object of many: its value, or what is wrong with it. */
export type Found<T> =
  | {readonly id: string; readonly value: T; readonly error?: undefined}
  | {readonly id: string; readonly value?: undefined; readonly error: ControlPlaneError};

/** Values read at once. */
const READ_TOGETHER = 64;
/** Levels below an object that are deleted with it. */
const CHILD_LEVELS = 32;

/** Objects of one kind, by their ids, within one transaction. */
export class Collection<T extends object> {
  protected readonly tx: Transaction;
  protected readonly kind: ObjectKind<T>;

  /** @internal */
  constructor(tx: Transaction, kind: ObjectKind<T>) {
    this.tx = tx;
    this.kind = kind;
  }

  /** Sorted ids of those that begin with `prefix`. Keys that are no such object's, and children of objects, are not among them. */
  async list(prefix = ''): Promise<string[]> {
    const keys = await this.tx.list(`${this.kind.root}${prefix}`);
    return keys.map((key) => key.slice(this.kind.root.length)).filter(this.kind.isId);
  }

  /** The listed ones with what is stored of them: a damaged one has its error, and hides no other. Reads each. */
  async values(prefix = ''): Promise<Found<T>[]> {
    const ids = await this.list(prefix);
    const found: Found<T>[] = [];
    for (let first = 0; first < ids.length; first += READ_TOGETHER) {
      const some = await Promise.all(ids.slice(first, first + READ_TOGETHER).map((id) => this.#found(id)));
      for (const one of some) if (one !== undefined) found.push(one);
    }
    return found;
  }

  /** `undefined`: there is none. @throws ControlPlaneError `invalid`, with the key: what is stored there is damaged, or names another id */
  async get(id: string): Promise<T | undefined> {
    return this.object(id).get();
  }

  /** With everything below it, in the same transaction, and nothing else. @throws ControlPlaneError `not_found` */
  async delete(id: string): Promise<void> {
    const {key} = this.object(id);
    await this.tx.delete(key);
    // One that is deleted meanwhile is no conflict; one that comes is.
    for (const child of await this.tx.list(`${key}/`, {recurse: CHILD_LEVELS, noticeDeletes: false})) await this.tx.delete(child, {mustExist: false});
  }

  /** @throws ControlPlaneError `invalid`: no id of this kind */
  protected object(id: string): StoredObject<T> {
    return new StoredObject(this.tx, this.key(id), this.kind.parse);
  }

  protected key(id: unknown): string {
    const {what, root, isId} = this.kind;
    if (typeof id !== 'string' || !isId(id)) throw new ControlPlaneError('invalid', `${JSON.stringify(id)} is no id of a ${what}`);
    return `${root}${id}`;
  }

  async #found(id: string): Promise<Found<T> | undefined> {
    try {
      const value = await this.get(id);
      return value === undefined ? undefined : {id, value};
    } catch (err) {
      if (hasCode(err, 'invalid')) return {id, error: ControlPlaneError.from(err)};
      throw err;
    }
  }
}

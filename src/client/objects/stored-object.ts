import {canonicalJson} from '../../lib/canonical-json.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {isJsonObject, plainProblem} from '../../lib/plain-json.ts';
import type {Parser} from '../../schema/validate.ts';
import type {Transaction} from '../../store/transaction.ts';

/** A value on its way in: what its schema fills in may be left out, other members are kept. */
export type Input<T, Required extends keyof T = never> = Readonly<Record<string, unknown>> & Partial<T> & Pick<T, Required>;

/** The object that one key holds, within one transaction: checked both ways, stored as canonical JSON. */
export class StoredObject<T extends object> {
  readonly key: string;
  readonly #tx: Transaction;
  readonly #parse: Parser<T>;

  constructor(tx: Transaction, key: string, parse: Parser<T>) {
    this.#tx = tx;
    this.key = key;
    this.#parse = parse;
  }

  /** `undefined`: there is none. @throws ControlPlaneError `invalid`, with the key: what is stored there is damaged */
  async get(): Promise<T | undefined> {
    const text = await this.#tx.get(this.key);
    return text === undefined ? undefined : this.#parse(text, this.key);
  }

  /** @throws ControlPlaneError `invalid`, with the field; `already_exists` */
  async create(value: Input<T>): Promise<void> {
    await this.#tx.create(this.key, storedText(this.#parse, this.key, value));
  }

  /** Replaces it as a whole; to change a member, `get` it, change that, and `update` it in the same transaction. @throws ControlPlaneError `invalid`; `not_found` */
  async update(value: Input<T>): Promise<void> {
    await this.#tx.update(this.key, storedText(this.#parse, this.key, value));
  }

  async createOrUpdate(value: Input<T>): Promise<void> {
    if ((await this.#tx.get(this.key)) === undefined) await this.create(value);
    else await this.update(value);
  }

  /** @throws ControlPlaneError `not_found` */
  async delete(): Promise<void> {
    await this.#tx.delete(this.key);
  }
}

/** The canonical text of a value that its schema allows. @throws ControlPlaneError `invalid`, with key and field */
export function storedText<T>(parse: Parser<T>, key: string, value: unknown): string {
  return canonicalJson(checked(parse, key, value));
}

/** A copy of the value, with what its schema fills in. @throws ControlPlaneError `invalid`, with key and field */
export function checked<T>(parse: Parser<T>, key: string, value: unknown): T {
  const problem = isJsonObject(value) ? plainProblem(value) : 'it must be an object';
  if (problem !== undefined) throw new ControlPlaneError('invalid', `cannot write ${key}: ${problem}`, {key});
  return parse(JSON.stringify(value), key);
}

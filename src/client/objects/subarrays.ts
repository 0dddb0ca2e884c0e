import {SUBARRAY_ID} from '../../schema/block-ids.ts';
import {subarrayKey} from '../../schema/keys.ts';
import {parseSubarray} from '../../schema/subarray.ts';
import type {Subarray} from '../../schema/subarray.ts';
import type {Transaction} from '../../store/transaction.ts';
import {Collection} from './collection.ts';
import type {Input} from './stored-object.ts';

const KIND = {what: 'subarray', root: subarrayKey(''), isId: (text: string) => SUBARRAY_ID.test(text), parse: parseSubarray};

/** `/lmc/subarray/[NN]`, by their two digits. */
export class Subarrays extends Collection<Subarray> {
  /** @internal */
  constructor(tx: Transaction) {
    super(tx, KIND);
  }

  /** @throws ControlPlaneError `invalid`, with the field; `already_exists` */
  async create(id: string, subarray: Input<Subarray>): Promise<void> {
    await this.object(id).create(subarray);
  }

  /** @throws ControlPlaneError `invalid`, with the field; `not_found` */
  async update(id: string, subarray: Input<Subarray>): Promise<void> {
    await this.object(id).update(subarray);
  }

  async createOrUpdate(id: string, subarray: Input<Subarray>): Promise<void> {
    await this.object(id).createOrUpdate(subarray);
  }
}

import {Transaction} from '../store/transaction.ts';

/** One attempt of `db.transact`: keys as texts, and the objects that they hold. */
export class ClientTransaction extends Transaction {}

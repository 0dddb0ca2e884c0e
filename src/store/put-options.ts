import {ControlPlaneError} from '../lib/errors.ts';
import type {LeaseId} from './store.ts';

export interface PutOptions {
  /** The lease that the key is attached to, by its id or as an object that has one; `'0'` for none. */
  readonly lease?: LeaseId | {readonly id: LeaseId};
}

/** Text of a value; numbers and booleans become theirs. */
export type Text = string | number | boolean;

/** @throws ControlPlaneError `invalid`: neither text nor something that has one text */
export function textOf(value: Text, key: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new ControlPlaneError('invalid', `the value of ${key} must be text`, {key});
}

/** @throws ControlPlaneError `invalid`: no lease's id */
export function leaseId(lease: PutOptions['lease']): LeaseId | undefined {
  if (lease === undefined) return undefined;
  const id = typeof lease === 'string' ? lease : lease.id;
  if (!/^-?\d{1,19}$/.test(id)) throw new ControlPlaneError('invalid', 'a lease is named by its id, a decimal number');
  return id;
}

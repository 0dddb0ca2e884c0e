/**
 * One transaction that a decision about blocks leads to. The shapes are those of the store's commits, which lie above the model and so cannot be named
 * here. `what` says in constant words what it does, for the log.
 */
export interface BlockWrite {
  readonly what: string;
  readonly reason?: string;
  readonly compares: readonly Expected[];
  readonly ops: readonly WriteOp[];
}

/** The mod revision that a key must have; 0: absent. */
export interface Expected {
  readonly key: string;
  readonly modRevision: number;
}

export type WriteOp = {readonly put: string; readonly value: string} | {readonly delete: string};

export const deleteOp = (key: string): WriteOp => ({delete: key});

/** Keys that one transaction compares or removes at most, with room for the rest of it: etcd allows 128 operations. */
export const MAX_AT_ONCE = 100;

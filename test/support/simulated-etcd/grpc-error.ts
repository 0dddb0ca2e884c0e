/** A failed call, as `@grpc/grpc-js` rejects it. */
export class GrpcError extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(`${code}: ${details}`);
    this.name = 'GrpcError';
    this.code = code;
    this.details = details;
  }
}

export const cancelled = (): GrpcError => new GrpcError(1, 'Cancelled on client');
export const deadlineExceeded = (): GrpcError => new GrpcError(4, 'Deadline exceeded');
export const notConnected = (): GrpcError => new GrpcError(14, 'No connection established. Last error: connect ECONNREFUSED');
export const connectionLost = (): GrpcError => new GrpcError(14, 'Connection dropped');

// etcd's own, in its words. See etcd's api/v3rpc/rpctypes/error.go.
export const emptyKey = (): GrpcError => new GrpcError(3, 'etcdserver: key is not provided');
export const duplicateKey = (): GrpcError => new GrpcError(3, 'etcdserver: duplicate key given in txn request');
export const tooManyOps = (): GrpcError => new GrpcError(3, 'etcdserver: too many operations in txn request');
export const requestTooLarge = (): GrpcError => new GrpcError(3, 'etcdserver: request is too large');
export const messageTooLarge = (size: number): GrpcError => new GrpcError(8, `grpc: received message larger than max (${size} vs. 2097152)`);
export const leaseNotFound = (): GrpcError => new GrpcError(5, 'etcdserver: requested lease not found');
export const leaseExists = (): GrpcError => new GrpcError(9, 'etcdserver: lease already exists');
export const noSpace = (): GrpcError => new GrpcError(8, 'etcdserver: mvcc: database space exceeded');
export const compacted = (): GrpcError => new GrpcError(11, 'etcdserver: mvcc: required revision has been compacted');
export const futureRevision = (): GrpcError => new GrpcError(11, 'etcdserver: mvcc: required revision is a future revision');

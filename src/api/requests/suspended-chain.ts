import {decodeSuspendedJobChain} from '../../proto/decode.ts';
import type {SuspendedJobChain} from '../../proto/types.ts';

/** The chain in the body of a call to suspend: whoever runs a request elsewhere sends one, users do not. @throws FieldError */
export function chainInBody(body: unknown): SuspendedJobChain | undefined {
  const {jobChain} = (body ?? {}) as {readonly jobChain?: unknown};
  return jobChain === undefined || jobChain === null ? undefined : decodeSuspendedJobChain(body);
}

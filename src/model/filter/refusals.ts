import {ControlPlaneError} from '../../lib/errors.ts';

export function unsupported(operator: string): ControlPlaneError {
  return new ControlPlaneError('invalid', `filter operator ${operator} is not supported`);
}

export function malformed(operator: string, why: string): ControlPlaneError {
  return new ControlPlaneError('invalid', `filter operator ${operator} ${why}`);
}

/** MongoDB would look for an object with a field of the operator's name, or stop at the field; neither is ever meant. */
export function mixed(operator: string, field: string): ControlPlaneError {
  return malformed(operator, `stands beside the field ${field}`);
}

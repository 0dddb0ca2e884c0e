import {reasonOf} from '../lib/errors.ts';
import {STATE_NAMES, STATE_NUMBERS} from './state-names.ts';
import type {StateName} from './state-names.ts';

/** States in which a job can end. */
export type EndState = Extract<StateName, 'COMPLETE' | 'FAIL' | 'STOPPED' | 'UNKNOWN'>;

const END_STATES: readonly StateName[] = ['COMPLETE', 'FAIL', 'STOPPED', 'UNKNOWN'] satisfies readonly EndState[];

/** What a job says became of it. The three are independent: COMPLETE with an error or an exit code is legal. */
export interface JobOutcome {
  readonly state: EndState;
  /** A signed 64-bit integer as decimal digits. */
  readonly exit: string;
  /** Empty: none. */
  readonly error: string;
}

/** Bytes of JSON that a try may set for its children and its own further tries. */
export const DATA_BYTES = 256 * 1024;

/** Characters of an outcome's error that are kept. */
const ERROR_CHARACTERS = 4096;
const LARGEST = 2n ** 63n;

/**
 * What a job's words about its end mean. A job that says it is PENDING or RUNNING, or in a state that no job has, has failed: nothing waits for it.
 *
 * @param state a state's name, or its number on the wire
 * @param exit whatever stands for a whole number; absent: 0 for COMPLETE, else 1
 */
export function outcomeOf(state: unknown, exit: unknown, error: unknown): JobOutcome {
  const name = nameOf(state);
  const digits = exit === undefined || exit === null ? (name === 'COMPLETE' ? '0' : '1') : int64Of(exit);
  const said = error === undefined || error === null ? '' : reasonOf(error);
  const problem =
    name === undefined
      ? `it ended in ${describe(state)}, which is no state to end in`
      : digits === undefined
        ? 'its exit code is no 64-bit integer'
        : '';
  const text = said === '' || problem === '' ? said + problem : `${problem}: ${said}`;
  return {
    state: problem === '' && name !== undefined ? name : 'FAIL',
    exit: problem === '' && digits !== undefined ? digits : '1',
    error: text.slice(0, ERROR_CHARACTERS),
  };
}

function nameOf(state: unknown): EndState | undefined {
  const name = typeof state === 'number' ? STATE_NAMES.find((each) => STATE_NUMBERS[each] === state) : state;
  return END_STATES.find((each) => each === name) as EndState | undefined;
}

function describe(state: unknown): string {
  return typeof state === 'string' ? `state ${JSON.stringify(state.slice(0, 40))}` : typeof state === 'number' ? `state ${state}` : 'no state';
}

function int64Of(exit: unknown): string | undefined {
  const isWhole =
    typeof exit === 'bigint' || (typeof exit === 'number' && Number.isInteger(exit)) || (typeof exit === 'string' && /^-?\d{1,19}$/.test(exit));
  if (!isWhole) return undefined;
  const value = BigInt(exit as bigint | number | string);
  return value >= -LARGEST && value < LARGEST ? String(value) : undefined;
}

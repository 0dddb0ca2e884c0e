import {isJsonObject} from '../lib/plain-json.ts';

/** What the maker process is asked, and what it answers. JSON over Node's IPC channel. */
export interface MakeRequest {
  readonly call: number;
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly requestId: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export type MakeAnswer =
  /** The module is loaded. */
  | {readonly kind: 'ready'}
  /** It cannot be; the process ends. */
  | {readonly kind: 'broken'; readonly reason: string}
  | {readonly kind: 'made'; readonly call: number; readonly args: Readonly<Record<string, unknown>>; readonly bytes: string}
  | {readonly kind: 'refused'; readonly call: number; readonly reason: string; readonly isUnknownType: boolean};

/** What the process says, if it is one of these answers: the code of users may send anything on the same channel. */
export function answerIn(message: unknown): MakeAnswer | undefined {
  if (!isJsonObject(message)) return undefined;
  const {kind, call, args, bytes, reason} = message;
  const isAnswer =
    kind === 'ready' ||
    (kind === 'broken' && typeof reason === 'string') ||
    (kind === 'made' && typeof call === 'number' && isJsonObject(args) && typeof bytes === 'string') ||
    (kind === 'refused' && typeof call === 'number' && typeof reason === 'string');
  return isAnswer ? (message as unknown as MakeAnswer) : undefined;
}

/** The largest arguments that a job may have, as bytes of JSON, and the most bytes that it may serialise. */
export const ARGS_BYTES = 256 * 1024;
export const SERIALIZED_BYTES = 256 * 1024;

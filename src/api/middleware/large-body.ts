import type {Context} from 'koa';
import {ByteBudget} from '../../lib/byte-budget.ts';
import {ownTurn} from '../../lib/turn.ts';
import {tooLarge} from '../api-error.ts';

/** A body above this is read piece by piece into one buffer, under the budget. */
export const LARGE_BODY_BYTES = 1024 * 1024;

/**
 * Bytes of large bodies that this process holds at once, from their arrival until their answer has left. Whoever comes later is read later: its sender
 * waits, and the connection's idle time limit is how long.
 */
const BUDGET_BYTES = 128 * 1024 * 1024;

/** Of the process, as its memory is. */
const budget = new ByteBudget(BUDGET_BYTES);

/**
 * Reads a body of many megabytes.
 *
 * It is copied as it comes, since joining 100 MiB at the end would hold everybody up. `length` is what the client declared, if it did; else room
 * for the largest body that is allowed is taken from the budget as soon as it turns out to be a large one.
 *
 * @throws ApiError `too_large`. An Error when the client went away.
 */
export async function readLargeBody(ctx: Context, length: number | undefined, limitBytes: number): Promise<Buffer> {
  const {req, res} = ctx;
  const gone = new AbortController();
  const leave = (): void => gone.abort(new Error('the client went away'));
  if (res.closed) leave(); // While it was found out who calls.
  else res.once('close', leave);
  const take = async (bytes: number): Promise<void> => {
    const release = await budget.take(bytes, gone.signal);
    if (res.closed) release();
    else res.once('close', release);
  };
  if (length !== undefined) await take(length);
  let isCounted = length !== undefined;
  const body = new Pieces(length);
  let sinceTurn = 0;
  // Whoever is refused gets an answer, so the connection has to outlive this loop.
  for await (const piece of req.iterator({destroyOnReturn: false}) as AsyncIterable<Buffer>) {
    if (body.length + piece.length > limitBytes) throw tooLarge();
    if (!isCounted && body.length + piece.length > LARGE_BODY_BYTES) {
      await take(limitBytes);
      isCounted = true;
    }
    body.add(piece);
    sinceTurn += piece.length;
    if (sinceTurn < TURN_BYTES) continue;
    sinceTurn = 0;
    await ownTurn(); // A connection would hand over megabytes in one turn, and many connections do so at once.
  }
  if (length !== undefined && body.length !== length) throw new Error('the body is shorter than declared');
  return body.whole();
}

/** Taken from a connection in one go. */
const TURN_BYTES = 256 * 1024;
/** Copied in one go: about a millisecond. */
const SLICE_BYTES = 4 * 1024 * 1024;

/** What has come of a body: copied to its place where the length is known before, else kept in pieces. */
class Pieces {
  readonly #target: Buffer | undefined;
  readonly #pieces: Buffer[] = [];
  length = 0;

  constructor(length: number | undefined) {
    if (length !== undefined) this.#target = Buffer.allocUnsafeSlow(length);
  }

  add(piece: Buffer): void {
    if (this.#target === undefined) this.#pieces.push(piece);
    else piece.copy(this.#target, this.length);
    this.length += piece.length;
  }

  async whole(): Promise<Buffer> {
    if (this.#target !== undefined) return this.#target;
    const target = Buffer.allocUnsafeSlow(this.length);
    let at = 0;
    let sliceEnd = SLICE_BYTES;
    for (const piece of this.#pieces) {
      at += piece.copy(target, at);
      if (at < sliceEnd) continue;
      sliceEnd += SLICE_BYTES;
      await ownTurn();
    }
    return target;
  }
}

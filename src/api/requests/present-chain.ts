import {Readable} from 'node:stream';
import type {Context} from 'koa';
import type {Clock} from '../../lib/clock.ts';
import {Pace} from '../../lib/pace.ts';
import type {ChainView} from '../../model/chain-view.ts';
import type {Request} from '../../proto/types.ts';
import {malformed} from './errors.ts';

/** Characters that are gathered before they become bytes. */
const CHUNK_CHARS = 65_536;

/** Text of an answer, in parts, written without keeping others from being answered: a chain may have 100,000 jobs. */
class AnswerText {
  readonly #pace: Pace;
  readonly #parts: Buffer[] = [];
  #text = '';

  constructor(ctx: Context, clock: Clock) {
    this.#pace = new Pace(clock, () => !ctx.req.socket.destroyed);
  }

  write(text: string): Promise<void> | undefined {
    this.#text += text;
    if (this.#text.length > CHUNK_CHARS) this.#flush();
    return this.#pace.isDue() ? this.#rest() : undefined;
  }

  answer(ctx: Context): void {
    this.#flush();
    const [only] = this.#parts;
    const bytes = this.#parts.reduce((sum, part) => sum + part.length, 0);
    ctx.body = this.#parts.length === 1 ? only : Readable.from(this.#parts, {objectMode: false});
    ctx.length = bytes;
    ctx.set('Content-Type', 'application/json; charset=UTF-8'); // Koa takes a stream for octets.
  }

  #flush(): void {
    this.#parts.push(Buffer.from(this.#text));
    this.#text = '';
  }

  async #rest(): Promise<void> {
    if (!(await this.#pace.rest())) throw malformed('the client went away');
  }
}

/** Answers with a chain as it is now. */
export async function answerChain(ctx: Context, clock: Clock, view: ChainView): Promise<void> {
  const text = new AnswerText(ctx, clock);
  await writeChain(text, view);
  text.answer(ctx);
}

/** Answers with a request and its chain. */
export async function answerRequest(ctx: Context, clock: Clock, request: Request, view: ChainView): Promise<void> {
  const text = new AnswerText(ctx, clock);
  await text.write(`${JSON.stringify(request).slice(0, -1)},"JobChain":`);
  await writeChain(text, view);
  await text.write('}');
  text.answer(ctx);
}

async function writeChain(text: AnswerText, view: ChainView): Promise<void> {
  const {requestId, state, finishedJobs} = view.head;
  let separator = `{"requestId":${JSON.stringify(requestId)},"jobs":{`;
  for (const job of view.jobs()) {
    await text.write(`${separator}${JSON.stringify(job.id)}:${JSON.stringify(view.present(job))}`);
    separator = ',';
  }
  await text.write(separator === ',' ? '}' : `${separator}}`);
  separator = ',"adjacencyList":{';
  for (const id in view.adjacency) {
    await text.write(`${separator}${JSON.stringify(id)}:${JSON.stringify(view.adjacency[id])}`);
    separator = ',';
  }
  await text.write(`${separator === ',' ? '}' : `${separator}}`},"state":${state},"finishedJobs":${finishedJobs}}`);
}

import {StringDecoder} from 'node:string_decoder';
import {ControlPlaneError} from '../lib/errors.ts';

/** More than anybody types; a pipe without line ends must not fill our memory. */
const LIMIT = 1024 * 1024;

/** Lines of a stream, one for each call, however they are cut into chunks. Nothing is read before the first is asked for. */
export class LineInput {
  readonly #chunks: AsyncIterator<Buffer | string>;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #isOver = false;

  constructor(input: AsyncIterable<Buffer | string>) {
    this.#chunks = input[Symbol.asyncIterator]();
  }

  /** The next line without its end; a last one may lack that. `undefined` when there is none. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\n');
      if (end >= 0 || this.#isOver) {
        const line = this.#rest.slice(0, end >= 0 ? end : undefined);
        this.#rest = end >= 0 ? this.#rest.slice(end + 1) : '';
        return end < 0 && line === '' ? undefined : line.replace(/\r$/, '');
      }
      if (this.#rest.length > LIMIT) throw new ControlPlaneError('too_large', `a line of more than ${LIMIT} characters was given`);
      const {done, value} = await this.#chunks.next();
      this.#isOver = done === true;
      this.#rest += done === true ? this.#decoder.end() : typeof value === 'string' ? value : this.#decoder.write(value);
    }
  }
}

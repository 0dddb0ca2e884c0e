/** Text for a terminal. Colours and moving lines only where there is one; a plain file gets plain lines. */
export class Terminal {
  readonly #out: NodeJS.WriteStream;
  readonly #isLive: boolean;
  #line = '';
  #printed = '';

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    this.#isLive = out.isTTY === true && process.env['TERM'] !== 'dumb';
  }

  /** A line that stays. */
  say(text = ''): void {
    this.#clear();
    this.#out.write(`${text}\n`);
    this.#redraw();
  }

  /** The line at the bottom that changes; in a plain file it is written when its `milestone` changes. */
  status(text: string, milestone: string): void {
    this.#line = text;
    if (this.#isLive) {
      this.#clear();
      this.#redraw();
    } else if (milestone !== this.#printed) this.#out.write(`${text}\n`);
    this.#printed = milestone;
  }

  /** The changing line stays as it is. */
  settle(): void {
    if (this.#isLive && this.#line !== '') this.#out.write('\n');
    this.#line = '';
  }

  dim(text: string): string {
    return this.#paint('2', text);
  }

  strong(text: string): string {
    return this.#paint('1', text);
  }

  good(text: string): string {
    return this.#paint('32', text);
  }

  bad(text: string): string {
    return this.#paint('31', text);
  }

  #paint(code: string, text: string): string {
    return this.#isLive ? `\u001b[${code}m${text}\u001b[0m` : text;
  }

  #clear(): void {
    if (this.#isLive && this.#line !== '') this.#out.write('\r\u001b[2K');
  }

  #redraw(): void {
    if (this.#isLive && this.#line !== '') this.#out.write(this.#line);
  }
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of `width` columns that is `fraction` full. */
export function bar(fraction: number, width: number): string {
  const eighths = Math.round(Math.max(0, Math.min(1, fraction)) * width * 8);
  const full = '█'.repeat(Math.floor(eighths / 8));
  return (full + (EIGHTHS[eighths % 8] ?? '')).padEnd(width, '·');
}

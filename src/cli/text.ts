/** How many columns `text` takes, one for each code point. */
export function widthOf(text: string): number {
  return pointsOf(text).length;
}

function pointsOf(text: string): string[] {
  return Array.from(text);
}

/**
 * `text` in at most `width` columns: the middle of what is too long becomes `mark`. Of an odd number of columns that are left, the beginning gets one
 * more than the end. Empty where not even the mark fits.
 */
export function squeeze(text: string, width: number, mark: string): string {
  const points = pointsOf(text);
  if (points.length <= width) return text;
  const left = width - widthOf(mark);
  if (left < 0) return '';
  const tail = Math.floor(left / 2);
  return points.slice(0, left - tail).join('') + mark + points.slice(points.length - tail).join('');
}

const CONTROL = /\p{Cc}/gu;

/** `text` on one line: what would move a terminal's cursor, or do worse, is written as an escape. Jobs and users choose such texts. */
export function oneLine(text: string): string {
  return text.replace(CONTROL, escaped);
}

const ESC = '\u001B';
/** What follows the escape character where a colour is set. */
const COLOUR = /^\[[\d;]*m/;

/** Output of a job for a terminal: lines, tabs and colours stay, the rest is written as escapes. */
export function safeOutput(text: string): string {
  return text.replace(CONTROL, (control, at: number) => {
    const isHarmless = control === '\n' || control === '\t' || (control === ESC && COLOUR.test(text.slice(at + 1, at + 30)));
    return isHarmless ? control : escaped(control);
  });
}

const ESCAPES: Readonly<Record<string, string>> = {'\t': '\\t', '\n': '\\n', '\r': '\\r'};

function escaped(control: string): string {
  const code = control.charCodeAt(0);
  // A byte above 127 would be half a letter to a shell.
  return ESCAPES[control] ?? (code < 128 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`);
}

/** What a shell takes as it stands. */
const PLAIN = /^[\p{L}\p{N}_@%+=:,./-]*$/u;
/** What a shell would read even within double quotes. */
const ACTIVE = /[$`\\!]/;

/**
 * A value as a shell has to be given it, so that a line can be pasted and means the same again: in double quotes where it holds a blank, a quote or what
 * separates words; in quotes that keep everything as it is where double quotes would not.
 */
export function quote(value: string): string {
  if (PLAIN.test(value)) return value;
  if (/[^\P{Cc}\t]/u.test(value)) {
    return `$'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replace(CONTROL, escaped)}'`;
  }
  if (ACTIVE.test(value)) return `'${value.replaceAll("'", String.raw`'\''`)}'`;
  return `"${value.replaceAll('"', '\\"')}"`;
}

/** A column of a table: its title and how its cells lie. Without a width the last column takes what it needs. */
export interface Column {
  readonly title: string;
  readonly width?: number;
  readonly align?: 'right';
  /** Blanks before it beyond the one that parts columns. */
  readonly indent?: number;
  /** Never squeezed: an identifier that is cut cannot be used. The column widens instead. */
  readonly isWhole?: boolean;
}

/** Rows under a line of titles, each line ended. No rows, no titles. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const clean = rows.map((row) => row.map(oneLine));
  const widths = columns.map(({width, isWhole}, at) =>
    width !== undefined && isWhole === true ? Math.max(width, ...clean.map((row) => widthOf(row[at] ?? ''))) : width,
  );
  const line = (cells: readonly string[]): string => {
    const parts = columns.map((column, at) => ' '.repeat(column.indent ?? 0) + fit(cells[at] ?? '', widths[at], column.align));
    return `${parts.join(' ').trimEnd()}\n`;
  };
  return [columns.map(({title}) => title), ...clean].map(line).join('');
}

function fit(text: string, width: number | undefined, align: 'right' | undefined): string {
  if (width === undefined) return text;
  const squeezed = squeeze(text, width, '..');
  const blanks = ' '.repeat(width - widthOf(squeezed));
  return align === 'right' ? blanks + squeezed : squeezed + blanks;
}

/** `label: value` lines, the labels right-aligned in eight columns. A value of several lines begins on the next one. */
export function labelled(rows: readonly (readonly [label: string, value: string])[]): string {
  const parted = (value: string): string => (value === '' ? '' : value.includes('\n') ? `\n${value}` : ` ${value}`);
  return rows.map(([label, value]) => `${label.padStart(8)}:${parted(value)}\n`).join('');
}

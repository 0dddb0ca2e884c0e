import type {RowResult, Verdict} from './judge.ts';
import type {CpuPerOperation} from './row.ts';

const AXIS = 25;
/** The axis reaches from a quarter to four times the target, the target in the middle. */
const REACH = 4;

const COLOURS: Readonly<Record<Verdict, string>> = {
  stretch: '\x1b[1;32m',
  pass: '\x1b[32m',
  undecided: '\x1b[33m',
  miss: '\x1b[31m',
  reported: '\x1b[36m',
  'no data': '\x1b[35m',
};

/** The results as a table for a terminal: one line per row, its interval drawn on an axis with the target in the middle. */
export function drawTable(results: readonly RowResult[], hasColour: boolean): string {
  const paint = (verdict: Verdict, text: string): string => (hasColour ? `${COLOURS[verdict]}${text}\x1b[0m` : text);
  const lines = results.map((result) => [
    result.row.id,
    `${figure(result.a)} ÷ ${figure(result.b)} ${result.row.unit}`,
    figure(result.ratio),
    `${figure(result.interval.low)} – ${figure(result.interval.high)}`,
    drawInterval(result),
    targetText(result),
    `${result.rounds.filter((round) => round.void === undefined).length} of ${result.rounds.length}`,
    result.verdict,
  ]);
  const heads = ['row', 'scanplane ÷ baseline', 'ratio', 'from – to', 'target ×¼ … ×1 … ×4', 'target (best)', 'rounds', 'verdict'];
  const widths = heads.map((head, i) => Math.max(head.length, ...lines.map((cells) => cells[i]?.length ?? 0)));
  const rule = (left: string, cross: string, right: string): string => left + widths.map((width) => '─'.repeat(width + 2)).join(cross) + right;
  const draw = (cells: readonly string[], coloured?: Verdict): string =>
    `│ ${cells
      .map((text, i) => {
        const padded = text.padEnd(widths[i] ?? 0);
        return coloured !== undefined && (i === 4 || i === 7) ? paint(coloured, padded) : padded;
      })
      .join(' │ ')} │`;
  const body = lines.map((cells, n) => draw(cells, results[n]?.verdict));
  const titles = results.map(
    ({row}) => `  ${row.id.padEnd(8)} ${row.title} ÷ ${row.against}${row.judged === 'worst' ? ' (the worst of all trials)' : ''}`,
  );
  const cpu = results.flatMap((result) =>
    result.cpu === undefined ? [] : [`  ${result.row.id.padEnd(8)} ${cpuText(result.cpu.a)}   against   ${cpuText(result.cpu.b)}`],
  );
  const voids = results.flatMap((result) =>
    result.rounds.flatMap((round) => (round.void === undefined ? [] : [`  ${result.row.id.padEnd(8)} round ${round.round}: ${round.void}`])),
  );
  return [
    rule('┌', '┬', '┐'),
    draw(heads),
    rule('├', '┼', '┤'),
    ...body,
    rule('└', '┴', '┘'),
    ...titles,
    ...(cpu.length > 0 ? ['processor µs per operation', ...cpu] : []),
    ...(voids.length > 0 ? ['rounds that do not count', ...voids] : []),
  ].join('\n');
}

/** `·····├━━●━┤·····` with `┊` at the target; arrows where it leaves the axis. */
export function drawInterval({row, ratio, interval}: RowResult): string {
  if (Number.isNaN(ratio)) return '';
  const centre = row.pass ?? ratio;
  const at = (value: number): number => Math.round((Math.log(value / centre) / Math.log(REACH) + 1) * ((AXIS - 1) / 2));
  const [low, high, dot] = [at(interval.low), at(interval.high), at(ratio)];
  return Array.from({length: AXIS}, (_, i) => {
    if (i === Math.min(Math.max(dot, 0), AXIS - 1)) return dot < 0 ? '◀' : dot >= AXIS ? '▶' : '●';
    if (i >= low && i <= high) return '━';
    return i === (AXIS - 1) / 2 && row.pass !== undefined ? '┊' : '·';
  }).join('');
}

function targetText({row}: RowResult): string {
  if (row.pass === undefined) return '';
  const sign = row.better === 'higher' ? '≥' : '≤';
  return `${sign} ${row.pass}${row.stretch === undefined ? '' : ` (${row.stretch})`}`;
}

function cpuText(cpu: CpuPerOperation): string {
  const parts = Object.entries(cpu).map(([name, micros]) => `${name} ${figure(micros)}`);
  const sum = Object.values(cpu).reduce((total, micros) => total + micros, 0);
  return `${parts.join(' + ')} = ${figure(sum)}`;
}

/** Three digits that count. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

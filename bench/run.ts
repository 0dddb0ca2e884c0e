import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {hasCluster} from './lib/kubernetes.ts';
import {judge, recordOf} from './lib/judge.ts';
import type {RoundRecord, RowResult} from './lib/judge.ts';
import {describeMachine, machineTime, stealShare, untilQuiet} from './lib/machine.ts';
import {drawTable} from './lib/table.ts';
import {FAMILIES} from './rows/index.ts';
import type {Family} from './lib/row.ts';

const USAGE = `npm run bench -- [--quick] [--rounds N] [--only P1,L1] [--list]

Ratios of scanplane against raw etcd (or another baseline), measured in turn in the same round. See bench/README.md.
  --quick      2 rounds instead of 5, shorter phases: an impression, not a verdict
  --rounds N   so many rounds that count
  --only IDS   rows, or families of rows by the beginning of their id; those on Kubernetes (K) are only run so
  --list       the rows, and nothing is run`;

const {values: options} = parseArgs({
  options: {
    quick: {type: 'boolean', default: false},
    rounds: {type: 'string'},
    only: {type: 'string'},
    list: {type: 'boolean', default: false},
    help: {type: 'boolean', default: false},
  },
});

const wanted = options.only?.split(',').map((id) => id.trim());
const wants = (id: string): boolean =>
  wanted === undefined || wanted.some((prefix) => id === prefix || id.startsWith(`${prefix}.`) || isFamily(prefix, id));
const isFamily = (prefix: string, id: string): boolean => /^[A-Z]$/.test(prefix) && id.startsWith(prefix);

/** How long a round waits for other work on the machine to end; it is run all the same then. */
const QUIET_MS = 30_000;

async function main(): Promise<number> {
  const families = FAMILIES.filter(
    (family) => (family.needsKubernetes !== true || wanted !== undefined || options.list) && family.rows.some((row) => wants(row.id)),
  );
  if (options.help || families.length === 0) {
    console.log(USAGE);
    return options.help ? 0 : 2;
  }
  if (options.list) {
    for (const row of families.flatMap((family) => family.rows)) console.log(`${row.id.padEnd(8)} ${row.title}, against ${row.against}`);
    return 0;
  }
  if (families.some((family) => family.needsKubernetes === true) && !hasCluster()) return besideCluster();
  const rounds = options.rounds === undefined ? (options.quick ? 2 : 5) : Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1');

  const started = new Date();
  const machine = describeMachine();
  const results: RowResult[] = [];
  for (const family of families) results.push(...(await runFamily(family, rounds)));
  say('');
  console.log(drawTable(results, process.stdout.isTTY));
  const file = save(started, machine, rounds, results);
  console.log(`details: ${file}`);
  return results.some((result) => result.verdict === 'miss' || result.verdict === 'no data') ? 1 : 0;
}

/** Runs this command again beside a cluster that is started for it. */
async function besideCluster(): Promise<number> {
  const rig = join(import.meta.dirname, '..', 'test', 'support', 'kubernetes', 'run.ts');
  const child = spawn(process.execPath, [rig, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {stdio: 'inherit'});
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** Rounds until every row has as many that count, or half as many again were run. */
async function runFamily(family: Family, rounds: number): Promise<readonly RowResult[]> {
  const rows = family.rows.filter((row) => wants(row.id));
  const records = new Map<string, RoundRecord[]>(rows.map((row) => [row.id, []]));
  const valid = (id: string): number => (records.get(id) ?? []).filter((record) => record.void === undefined).length;
  try {
    for (let round = 1; round <= rounds + Math.ceil(rounds / 2) && rows.some((row) => valid(row.id) < rounds); round++) {
      const progress = (text: string): void => say(`${family.name}, round ${round} of ${rounds}: ${text} …`);
      progress('waiting for a quiet machine');
      const busyBefore = await untilQuiet(QUIET_MS);
      const before = machineTime();
      const samples = await family.round({round, isQuick: options.quick, progress, wants});
      const steal = stealShare(before, machineTime());
      for (const sample of samples) records.get(sample.id)?.push({...recordOf(sample, round, steal), busyBefore});
    }
  } finally {
    await family.close?.();
  }
  return rows.map((row) => judge(row, records.get(row.id) ?? []));
}

/** On a terminal the last line is written over; elsewhere one line after the other. */
function say(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}

function save(started: Date, machine: object, rounds: number, results: readonly RowResult[]): string {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, {recursive: true});
  const file = join(folder, `${started.toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
  const content = {started: started.toISOString(), ended: new Date().toISOString(), machine, isQuick: options.quick, rounds, results};
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  return file;
}

process.on('SIGINT', () => process.exit(130)); // exit handlers end the processes that were started
process.on('SIGTERM', () => process.exit(143));
process.exit(await main());

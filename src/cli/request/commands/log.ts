import {STATE_NAME} from '../../../proto/state.ts';
import type {JobLog} from '../../../proto/types.ts';
import {onlyId, resultCommand, viewOf} from '../command.ts';
import type {Command, View} from '../command.ts';
import {followLog} from '../follow.ts';
import {byFinish} from '../present.ts';
import {labelled, oneLine, safeOutput} from '../../text.ts';
import {formatTime} from '../times.ts';

const NS_PER_MS = 1_000_000n;

/** All tries by the time they finished, a line `--` between two. */
export function showLog(tries: readonly JobLog[], view: View): string {
  return tries
    .toSorted(byFinish)
    .map((entry) => showTry(entry, view))
    .join('--\n');
}

/** One try of a job: its facts, then what it wrote. */
export function showTry(entry: JobLog, {nowMs, timeZone, isTerminal}: View): string {
  const time = (ns: bigint): string => (ns === 0n ? 'N/A' : formatTime(Number(ns / NS_PER_MS), timeZone));
  const output = (text: string): string => (isTerminal ? safeOutput(text) : text).replace(/\n$/, '');
  const endNs = entry.startedAt !== 0n && entry.finishedAt === 0n ? BigInt(Math.round(nowMs)) * NS_PER_MS : entry.finishedAt;
  return labelled([
    ['job id', oneLine(entry.jobId)],
    ['job name', oneLine(entry.name)],
    ['job type', oneLine(entry.type)],
    ['state', STATE_NAME[entry.state]],
    ['exit', String(entry.exit)],
    ['error', oneLine(entry.error)],
    ['try', String(entry.try)],
    ['runtime', seconds(endNs - entry.startedAt)],
    ['started', time(entry.startedAt)],
    ['finished', time(entry.finishedAt)],
    ['stdout', output(entry.stdout)],
    ['stderr', output(entry.stderr)],
  ]);
}

/** Nanoseconds as seconds with six decimals. */
function seconds(ns: bigint): string {
  const microseconds = ns < 0n ? 0n : (ns + 500n) / 1000n;
  return `${microseconds / 1_000_000n}.${String(microseconds % 1_000_000n).padStart(6, '0')}s`;
}

const facts = {name: 'log', usage: '<id> [--follow]', summary: 'show every try of every job, with --follow those to come too'};

const whole = resultCommand<readonly JobLog[]>({
  ...facts,
  query: ({api, line}) => api.getJobLogs(onlyId(facts, line.args)),
  show: showLog,
});

export const log: Command = {
  ...whole,
  run: async (context) => {
    if (!context.line.isFollow) return whole.run(context);
    let isFirst = true;
    return followLog(context, onlyId(facts, context.line.args), (tries) => {
      const text = tries.map((entry) => showTry(entry, viewOf(context))).join('--\n');
      context.out.write(isFirst ? text : `--\n${text}`);
      isFirst = false;
    });
  },
};

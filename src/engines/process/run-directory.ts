import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import {join, resolve} from 'node:path';
import type {FenceToken, JobExit} from '../../schema/job.ts';
import type {JobRef} from '../engine.ts';
import type {ProcessIdentity} from './processes.ts';

/**
 * The files in which the replicas of one host and the supervisors meet. Imports nothing but `node:`, for the supervisor's fast start.
 *
 *     <root>/id                                   random hex, made once: the run directory's name
 *            changed/<scan>~<job>~<try>           made and removed at each change: a hint for watchers
 *            forgotten/<scan>                     the newest fence under which a forgotten scan was launched or closed
 *            doomed/                              forgotten scans on their way out
 *            cache/                               compiled supervisor, kept by Node
 *            scans/<scan>/shared/                 scratch space of all jobs of the scan
 *                         forgetting           somebody is removing this folder: nothing may be launched in it
 *                         jobs/<job>/fence.<epoch>.<revision>   empty; the largest is the newest fence seen for that job
 *                                    <try>/claim           who launched or closed this try; appears once, never changes
 *                                          stop            it was asked to end
 *                                          renewed         its mtime moves while a controller cares
 *                                          running         what was started
 *                                          exit.json       how it ended; appears once, never changes
 *                                          own/job.json, own/data.json, own/status, …   the job's document, and what it says of itself
 *                                          <index>.stdout.<segment>, <index>.stderr.<segment>, supervisor.stderr
 */

/** The one decision about a try: whoever links it first, decides. `at` (RFC 3339) is when; a launched try counts as started then. */
export type Claim =
  | {readonly kind: 'closed'; readonly fence: FenceToken; readonly at: string}
  | {
      readonly kind: 'launch';
      readonly fence: FenceToken;
      readonly at: string;
      readonly cluster_id: string;
      readonly supervisor: ProcessIdentity;
    };

/** What was started. Advice only: it may be missing when the supervisor was killed at the wrong moment. */
export interface Running {
  readonly processes: readonly ProcessIdentity[];
}

/** How one process of a job ended. */
export interface ProcessExit {
  readonly index: number;
  readonly code: number | null;
  readonly signal?: string;
  readonly error?: string;
  readonly ended_at: string;
}

/** How a try ended. `began: false`: it was stopped before any process of it was started. */
export interface ExitRecord {
  readonly began: boolean;
  readonly exit: JobExit;
  readonly processes: readonly ProcessExit[];
}

/** What a supervisor is told over its standard input: the only place besides the job's own memory where its environment exists. */
export interface LaunchRequest {
  readonly root: string;
  readonly id: string;
  readonly ref: JobRef;
  readonly fence: FenceToken;
  readonly clusterId: string;
  readonly command: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly count: number;
  readonly outputLimitBytes: number;
  readonly stopGraceMs: number;
  readonly orphanAfterMs: number;
  readonly timeoutMs?: number;
  readonly document?: string;
}

/** What a supervisor says on its standard output, in one line: it launched; the try was decided by someone else; or it could do nothing. */
export type LaunchOutcome = {readonly kind: 'launched'} | {readonly kind: 'taken'} | {readonly kind: 'failed'; readonly reason: string};

export const MARKERS = {job: 'SCANPLANE_JOB', supervisor: 'SCANPLANE_SUPERVISOR', runDirectory: 'SCANPLANE_RUN_DIRECTORY'} as const;

/** Files in which a job finds its document and says what there is to say, and the environment variables that name them. */
export const OWN_FILES = {
  document: ['SCANPLANE_JOB_FILE', 'job.json'],
  status: ['SCANPLANE_STATUS_FILE', 'status'],
  endpoint: ['SCANPLANE_ENDPOINT_FILE', 'endpoint'],
  data: ['SCANPLANE_DATA_FILE', 'data.json'],
  outcome: ['SCANPLANE_OUTCOME_FILE', 'outcome.json'],
} as const;
export type OwnFile = keyof typeof OWN_FILES;

/** `<scan>/<job>/<try>`, as it stands in a marker and in `ps`. */
export function nameOf(ref: JobRef): string {
  return `${ref.scanId}/${ref.job}/${ref.try}`;
}

/** Below 0: `a` is older; above 0: newer. */
export function compareFences(a: FenceToken, b: FenceToken): number {
  return a.epoch - b.epoch || a.revision - b.revision;
}

const NAME = /^[\w.-]{1,128}$/;

/** Whether a ref's parts are fit to be file names: one path level each, and neither `.` nor `..`. */
export function isFileName(text: string): boolean {
  return NAME.test(text) && text !== '.' && text !== '..';
}

/** Paths and small records of a run directory. All calls are synchronous: the files are tiny, local and mostly in the page cache. */
export class RunDirectory {
  readonly root: string;
  readonly id: string;

  /** Names what is there; {@link openRunDirectory} makes it. */
  constructor(root: string, id: string) {
    this.root = root;
    this.id = id;
  }

  get changed(): string {
    return join(this.root, 'changed');
  }

  get forgotten(): string {
    return join(this.root, 'forgotten');
  }

  get doomed(): string {
    return join(this.root, 'doomed');
  }

  get cache(): string {
    return join(this.root, 'cache');
  }

  scan(scanId: string): string {
    return join(this.root, 'scans', scanId);
  }

  shared(scanId: string): string {
    return join(this.scan(scanId), 'shared');
  }

  job(ref: JobRef): string {
    return join(this.scan(ref.scanId), 'jobs', ref.job);
  }

  try(ref: JobRef): string {
    return join(this.job(ref), String(ref.try));
  }

  file(ref: JobRef, name: 'claim' | 'stop' | 'renewed' | 'running' | 'exit.json' | 'supervisor.stderr'): string {
    return join(this.try(ref), name);
  }

  output(ref: JobRef, index: number, stream: 'stdout' | 'stderr'): string {
    return join(this.try(ref), `${index}.${stream}`);
  }

  /** One of the files that are the job's own. */
  own(ref: JobRef, file: OwnFile): string {
    return join(this.try(ref), 'own', OWN_FILES[file][1]);
  }

  /** Puts a job's document where it finds it. */
  writeDocument(ref: JobRef, document: string): void {
    mkdirSync(join(this.try(ref), 'own'), {recursive: true, mode: 0o700});
    writeFileSync(this.own(ref, 'document'), document, {mode: 0o600});
  }

  /** Makes what a try needs to be decided. */
  makeTry(ref: JobRef): void {
    mkdirSync(this.try(ref), {recursive: true, mode: 0o700});
    mkdirSync(this.shared(ref.scanId), {recursive: true, mode: 0o700});
  }

  claim(ref: JobRef): Claim | undefined {
    return readJson<Claim>(this.file(ref, 'claim'));
  }

  running(ref: JobRef): Running | undefined {
    const record = readRecord<Running>(this.file(ref, 'running'));
    return Array.isArray(record?.processes) ? record : undefined;
  }

  exit(ref: JobRef): ExitRecord | undefined {
    const record = readRecord<ExitRecord>(this.file(ref, 'exit.json'));
    return typeof record?.exit?.ended_at === 'string' ? record : undefined;
  }

  /** Marks that a try is to end. */
  askToStop(ref: JobRef): void {
    try {
      closeSync(openSync(this.file(ref, 'stop'), constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK, 0o600));
    } catch (err) {
      if (!this.isAskedToStop(ref)) throw err;
    }
  }

  /** Whatever stands there is a mark: a job may have put a pipe or a folder in its place. */
  isAskedToStop(ref: JobRef): boolean {
    return lstatSync(this.file(ref, 'stop'), {throwIfNoEntry: false}) !== undefined;
  }

  /** Decides the try; `false` when it was decided already. */
  decide(ref: JobRef, claim: Claim): boolean {
    const first = publishOnce(this.file(ref, 'claim'), claim);
    // A power cut must not undo the decision: what it decided may have had effects elsewhere.
    if (first) syncDirectory(this.try(ref));
    return first;
  }

  /** Records the end; the record that stands is the first one. What is no record gives way. */
  recordExit(ref: JobRef, record: ExitRecord): void {
    const path = this.file(ref, 'exit.json');
    if (!publishOnce(path, record) && this.exit(ref) === undefined) {
      rmSync(path, {recursive: true, force: true});
      publishOnce(path, record);
    }
    this.hint(ref);
  }

  recordRunning(ref: JobRef, running: Running): void {
    replaceFile(this.file(ref, 'running'), JSON.stringify(running));
  }

  /** Tells all watchers to look at this try. Never throws: a hint that is lost costs time only. */
  hint(ref: JobRef): void {
    const path = join(this.changed, `${ref.scanId}~${ref.job}~${ref.try}`);
    try {
      writeFileSync(path, '', {mode: 0o600});
      unlinkSync(path); // the two events were the message; files would pile up
    } catch {
      // Another replica removed it first, or the name is too long for a file.
    }
  }

  /** The newest fence under which anybody asked anything about this job. */
  newestFence(ref: JobRef): FenceToken | undefined {
    let newest: FenceToken | undefined;
    for (const name of listIfThere(this.job(ref))) {
      const match = /^fence\.(\d+)\.(\d+)$/.exec(name);
      if (match === null) continue;
      const fence = {epoch: Number(match[1]), revision: Number(match[2])};
      if (newest === undefined || compareFences(fence, newest) > 0) newest = fence;
    }
    return newest;
  }

  /** Remembers `fence`. One empty file for each, so that replicas which raise it at the same time cannot undo one another. */
  rememberFence(ref: JobRef, fence: FenceToken): void {
    writeFileSync(join(this.job(ref), `fence.${fence.epoch}.${fence.revision}`), '', {flag: 'a', mode: 0o600});
  }

  /** Up to which fence a scan has been forgotten: what comes later under it, or an older one, comes too late. */
  forgottenFence(scanId: string): FenceToken | undefined {
    return readJson<FenceToken>(join(this.forgotten, scanId));
  }

  /** `undefined` takes it back. */
  rememberForgotten(scanId: string, fence: FenceToken | undefined): void {
    const path = join(this.forgotten, scanId);
    if (fence === undefined) rmSync(path, {force: true});
    else replaceFile(path, JSON.stringify(fence));
  }

  isBeingForgotten(scanId: string): boolean {
    return existsSync(join(this.scan(scanId), 'forgetting'));
  }

  markBeingForgotten(scanId: string, is: boolean): void {
    const path = join(this.scan(scanId), 'forgetting');
    if (is) writeFileSync(path, '', {mode: 0o600});
    else rmSync(path, {force: true});
  }

  /** Every try that has a folder. */
  tries(scanId: string): readonly JobRef[] {
    const jobs = join(this.scan(scanId), 'jobs');
    return listIfThere(jobs).flatMap((job) =>
      listIfThere(join(jobs, job))
        .filter((name) => /^\d+$/.test(name))
        .map((name) => ({scanId, job, try: Number(name)})),
    );
  }

  scanIds(): readonly string[] {
    return listIfThere(join(this.root, 'scans'));
  }
}

/** Makes the run directory if it is not there; replicas that do so at the same time agree on its id. */
export function openRunDirectory(root: string): RunDirectory {
  const path = resolve(root);
  mkdirSync(path, {recursive: true, mode: 0o700});
  const directory = findRunDirectory(path) ?? createId(path);
  for (const folder of [directory.changed, directory.forgotten, directory.doomed, directory.cache]) mkdirSync(folder, {recursive: true, mode: 0o700});
  return directory;
}

/** The run directory at `root`, or `undefined` when there is none. */
export function findRunDirectory(root: string): RunDirectory | undefined {
  const path = resolve(root);
  const id = readIfThere(join(path, 'id'))?.trim();
  return id === undefined ? undefined : new RunDirectory(path, id);
}

function createId(path: string): RunDirectory {
  linkOnce(join(path, 'id'), `${crypto.randomUUID().replaceAll('-', '')}\n`);
  const id = readFileSync(join(path, 'id'), 'utf8').trim();
  return new RunDirectory(path, id);
}

function publishOnce(path: string, value: unknown): boolean {
  return linkOnce(path, JSON.stringify(value));
}

/** Puts a whole file in place unless there is one; `false` when there is. Readers see all of it or nothing. */
function linkOnce(path: string, content: string): boolean {
  const temporary = temporaryFor(path);
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
    linkSync(temporary, path);
    return true;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw err;
  } finally {
    closeSync(file);
    unlinkSync(temporary);
  }
}

function replaceFile(path: string, content: string): void {
  const temporary = temporaryFor(path);
  writeFileSync(temporary, content, {flag: 'wx', mode: 0o600});
  renameSync(temporary, path);
}

function temporaryFor(path: string): string {
  // Not node:crypto, whose loading every supervisor's start would pay for. A collision is an error of `wx`, never a mix.
  return `${path}.${process.pid}.${process.hrtime.bigint()}.${Math.random().toString(36).slice(2)}.tmp`;
}

function syncDirectory(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function readJson<T>(path: string): T | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

/** What reading says of something that is no file, or of a pipe whose other end is held open. */
const NO_FILE: ReadonlySet<string | undefined> = new Set(['EISDIR', 'EAGAIN', 'ELOOP', 'ENOTDIR', 'ENXIO']);

/** As {@link readJson}; `undefined` also where it was cut short when the power was, or where a job has put something else in its place. */
function readRecord<T extends object>(path: string): T | undefined {
  try {
    return readJson<T | null>(path) ?? undefined;
  } catch (err) {
    if (err instanceof SyntaxError || NO_FILE.has((err as NodeJS.ErrnoException).code)) return undefined;
    throw err;
  }
}

/** The file's text; `undefined` when it, or a folder on the way to it, is not there. */
function readIfThere(path: string): string | undefined {
  try {
    // Not waiting: a job may have put a pipe there.
    return readFileSync(path, {encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NONBLOCK});
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw err;
  }
}

function listIfThere(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (err) {
    const {code} = err as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw err;
  }
}

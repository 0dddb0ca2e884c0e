import {Worker, isMainThread, workerData} from 'node:worker_threads';
import {reasonOf} from '../lib/errors.ts';
import {plainProblem} from '../lib/plain-json.ts';
import {isJobError} from './contract.ts';
import type {JobFactory} from './contract.ts';
import {loadFactory, makeJob} from './load-factory.ts';
import {ARGS_BYTES, SERIALIZED_BYTES} from './make-request.ts';
import type {MakeAnswer, MakeRequest} from './make-request.ts';

/**
 * The process in which jobs of classes are created, beside an API: `make`, `create`, `serialize`. Loads the module named by its argument once, then answers
 * requests over IPC. It ends with its parent, also where a job blocks the event loop: a thread of its own watches for that.
 */

const ORPHAN_LOOK_MS = 1000;
const REASON_CHARACTERS = 4096;

function say(answer: MakeAnswer, done?: () => void): void {
  process.send?.(answer, undefined, undefined, () => done?.());
}

async function answer(factory: JobFactory, request: MakeRequest): Promise<MakeAnswer> {
  const {call, type, name, id, requestId} = request;
  try {
    const job = await makeJob(factory, {type, name, id, requestId});
    const args = {...request.args};
    await job.create(args);
    const problem = plainProblem(args);
    if (problem !== undefined) throw new Error(`the arguments that it left cannot be kept: ${problem}`);
    if (Buffer.byteLength(JSON.stringify(args)) > ARGS_BYTES) throw new Error(`the arguments that it left are larger than ${ARGS_BYTES} bytes`);
    const serialized: unknown = await job.serialize();
    if (typeof serialized !== 'string' && !(serialized instanceof Uint8Array)) throw new Error('it serialised neither bytes nor text');
    const bytes = Buffer.from(serialized as string);
    if (bytes.length > SERIALIZED_BYTES) throw new Error(`what it serialised is larger than ${SERIALIZED_BYTES} bytes`);
    return {kind: 'made', call, args, bytes: bytes.toString('base64')};
  } catch (err) {
    return {kind: 'refused', call, reason: reasonOf(err).slice(0, REASON_CHARACTERS), isUnknownType: isJobError(err, 'unknown_job_type')};
  }
}

async function serve(path: string): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  // Its standard input is none, its parent's terminal's signals are for its parent.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const watch = new Worker(new URL(import.meta.url), {workerData: {parent: process.ppid}, execArgv: process.execArgv});
  watch.unref();
  let factory: JobFactory;
  try {
    factory = await loadFactory(path);
  } catch (err) {
    say({kind: 'broken', reason: reasonOf(err).slice(0, REASON_CHARACTERS)}, () => process.exit(1));
    return;
  }
  process.on('message', (request: MakeRequest) => void answer(factory, request).then((one) => say(one)));
  say({kind: 'ready'});
}

if (isMainThread) {
  await serve(process.argv[2] ?? '');
} else {
  const {parent} = workerData as {readonly parent: number};
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  }, ORPHAN_LOOK_MS);
}

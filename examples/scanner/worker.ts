import {hostname} from 'node:os';
import {http} from './builtin.ts';
import {fitPixel} from './likelihood.ts';
import type {ScanModel} from './likelihood.ts';
import {noteAs, reasonOf} from './note.ts';
import {UsageError, workerOptions} from './options.ts';
import type {WorkerOptions} from './options.ts';
import {NAN} from './plan.ts';
import type {Cell, Pixel, Row} from './plan.ts';
import {readStartup, startupChange} from './startup-file.ts';
import type {Startup} from './startup-file.ts';
import type {ModelReply, WorkAnswer, WorkReply, WorkRequest} from './work-server.ts';

/*
 * A worker of the reference scanner: evaluates pixels for the server that its startup file names.
 *
 *   node examples/scanner/worker.ts --client-startup-json FILE
 *
 * It ends with 0 when that server says that the scan is done, or on SIGTERM. A server that is gone is no end: another may follow, with its own startup
 * file in the same place, and a file may be left from one that died.
 */

const note = noteAs('worker');
const BATCH_MS = 200; // Long against a round trip, short against what is lost when a worker dies.
const LONGEST_WAIT_MS = 2000;

/** Works for whichever server the file names until one says that the scan is done. */
async function work(options: WorkerOptions): Promise<void> {
  let waitMs = 50;
  let noted: string | undefined;
  if (readStartup(options.clientStartupJson) === undefined) note('waiting for a server');
  for (;;) {
    const startup = readStartup(options.clientStartupJson);
    if (startup !== undefined) {
      const server = new ServerLink(startup);
      try {
        await workFor(server, options);
        return;
      } catch (err) {
        if (server.isKnown) waitMs = 50;
        if (server.isKnown || noted !== startup.token) note('no server there, waiting', {address: startup.address, reason: reasonOf(err)});
        noted = startup.token;
      } finally {
        server.close();
      }
    }
    await startupChange(options.clientStartupJson, startup, waitMs);
    waitMs = startup === undefined ? 250 : Math.min(2 * waitMs, LONGEST_WAIT_MS);
  }
}

/** Works for one server until it says that the scan is done. @throws when it cannot be reached, is another one, or goes away. */
async function workFor(server: ServerLink, options: WorkerOptions): Promise<void> {
  const {model} = await server.model();
  note('working', {address: server.address});
  let count = 8;
  let answer: WorkAnswer | undefined;
  for (;;) {
    const reply = await server.work(count, answer);
    answer = undefined;
    if ('done' in reply) return;
    if ('wait' in reply) continue;
    const began = performance.now();
    const rows: WorkAnswer['rows'][number][] = [];
    for (const pixel of reply.pixels) {
      rows.push({nside: pixel[0], row: rowOf(model, pixel, options)});
      await new Promise(setImmediate); // Lets a signal in.
    }
    const ms = performance.now() - began;
    answer = {lease: reply.lease, rows, seconds: ms / 1000};
    count = Math.min(Math.max(Math.round((BATCH_MS * reply.pixels.length) / ms), 1), 256);
  }
}

function rowOf(model: ScanModel, [nside, index]: Pixel, options: WorkerOptions): Row {
  const {work: amount, maxPixelSeconds} = options;
  const limit = maxPixelSeconds === undefined ? {} : {deadlineMs: performance.now() + 1000 * maxPixelSeconds};
  const {llh, energyIn, energyTotal, vertex} = fitPixel(model, nside, index, {work: amount, ...limit});
  return [index, ...[llh, energyIn, energyTotal, ...vertex].map((value): Cell => (Number.isFinite(value) ? value : NAN))];
}

/** One connection to one server: the server takes its closing for our end, so there is never a second. */
class ServerLink {
  readonly address: string;
  /** It has answered to the token: it is the server of the startup file. */
  isKnown = false;
  readonly #token: string;
  readonly #name = `${hostname()}:${process.pid}`;
  readonly #agent = new http.Agent({keepAlive: true, maxSockets: 1});

  constructor(startup: Startup) {
    this.address = startup.address;
    this.#token = startup.token;
  }

  async model(): Promise<ModelReply> {
    return (await this.#request('GET', '/model', undefined, 10_000)) as ModelReply;
  }

  async work(count: number, answer: WorkAnswer | undefined): Promise<WorkReply> {
    const body: WorkRequest = {worker: this.#name, ...(answer === undefined ? {} : {answer})};
    return (await this.#request('POST', `/work?n=${count}`, JSON.stringify(body), 60_000)) as WorkReply;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #request(method: string, path: string, body: string | undefined, timeoutMs: number): Promise<unknown> {
    const text = await new Promise<string>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : {'content-type': 'application/json', 'content-length': Buffer.byteLength(body)}),
      };
      const signal = AbortSignal.timeout(timeoutMs);
      const request = http.request(new URL(path, this.address), {method, headers, agent: this.#agent, signal}, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
          else reject(new Error(`${method} ${path}: ${response.statusCode}`));
        });
      });
      request.on('error', reject);
      request.end(body);
    });
    const reply: unknown = JSON.parse(text);
    this.isKnown = true;
    return reply;
  }
}

process.once('SIGTERM', () => process.exit(0));
process.once('SIGINT', () => process.exit(130));

try {
  const {options, unknown} = workerOptions(process.argv.slice(2), process.env);
  if (unknown.length > 0) note('ignored options', {options: unknown});
  await work(options);
  process.exit(0);
} catch (err) {
  note('failed', {reason: err instanceof UsageError ? err.message : err instanceof Error ? (err.stack ?? err.message) : String(err)});
  process.exit(err instanceof UsageError ? 2 : 1);
}

import {parsePlainJson} from '../lib/plain-json.ts';
import {httpRequest} from './http-request.ts';
import type {HttpRequest} from './http-request.ts';
import {HttpSendError, sendHttp} from './http-send.ts';
import type {HttpHostRun, JobDocument} from './document.ts';
import {STOPPED, dataProblem, failed} from './run-result.ts';
import type {RunControl, RunResult} from './run-result.ts';

/** Bytes of an answer that are read; of what comes after them nothing is known. */
const ANSWER_BYTES = 1024 * 1024;
/** A timer of Node's that is to wait for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Makes the request of an HTTP job. COMPLETE when the answer has one of the expected status codes and all of it came in time.
 *
 * The answer's body goes to standard output. If it is JSON of at most 256 KiB, by its content type, its value is handed on under the key `response`.
 * Errors name method, host and status: paths, queries, headers and bodies may hold secrets.
 */
export async function runHttp(document: JobDocument, run: HttpHostRun, control: RunControl): Promise<RunResult> {
  let request: HttpRequest;
  try {
    request = httpRequest(run.http, document.args);
  } catch (err) {
    return failed((err as Error).message);
  }
  const where = `${request.method} ${request.url.origin}`;
  control.watchStatus(() => where);
  const late = AbortSignal.timeout(Math.min(run.timeout_ms, LONGEST_TIMER_MS));
  try {
    const {status, contentType, body} = await sendHttp(request, {
      follow: run.http.follow === true,
      signal: AbortSignal.any([control.stop, late]),
    });
    const answer = await readAnswer(body);
    if (!run.http.expect.includes(status)) return failed(`${where}: status ${status}, expected ${run.http.expect.join(', ')}`);
    return {outcome: {state: 'COMPLETE', exit: '0', error: ''}, ...dataOf(contentType, answer)};
  } catch (err) {
    if (control.stop.aborted) return STOPPED;
    if (late.aborted) return failed(`${where}: no complete answer within ${run.timeout_ms / 1000} s`);
    return failed(`${where}: ${networkReason(err)}`);
  }
}

/** Copies the answer to standard output as it comes. `undefined` when it was longer than we read. */
async function readAnswer(body: AsyncIterable<Buffer>): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let left = ANSWER_BYTES;
  for await (const chunk of body) {
    const part = chunk.subarray(0, left);
    process.stdout.write(part);
    chunks.push(part);
    left -= part.length;
    if (part.length === chunk.length) continue;
    process.stderr.write(`the answer was cut after ${ANSWER_BYTES} bytes\n`);
    return undefined; // Leaving the loop ends the transfer.
  }
  return Buffer.concat(chunks);
}

function dataOf(contentType: string, answer: Buffer | undefined): {readonly data?: Readonly<Record<string, unknown>>; readonly stderr?: string} {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (answer === undefined || answer.length === 0 || !(type === 'application/json' || type.endsWith('+json'))) return {};
  try {
    const data = {response: parsePlainJson(answer.toString())};
    const problem = dataProblem(data);
    return problem === undefined ? {data} : {stderr: `the answer is not handed on: ${problem}\n`};
  } catch (err) {
    return {stderr: `the answer is not handed on: ${(err as Error).message}\n`};
  }
}

/** What went wrong below HTTP. Only codes: messages may repeat what was sent. */
function networkReason(err: unknown): string {
  if (err instanceof HttpSendError) return err.message;
  const {code} = err as {readonly code?: unknown};
  return typeof code === 'string' ? code : 'the request failed';
}

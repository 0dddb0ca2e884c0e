import {renameSync, writeFileSync} from 'node:fs';
import type {JobOutcome} from '../schema/job-outcome.ts';

/** Bytes of a status that anybody reads. */
const STATUS_BYTES = 4096;

/** Where the engine wants to be told; without a path nobody wants to know. */
export interface OwnPaths {
  readonly status: string | undefined;
  readonly data: string | undefined;
  readonly outcome: string | undefined;
}

/** The files in which a job speaks to its engine. Each appears whole. */
export class OwnFiles {
  readonly #paths: OwnPaths;
  #status: string | undefined;

  constructor(paths: OwnPaths) {
    this.#paths = paths;
  }

  /** Writes the status if it is another one. Never throws: a status that is lost costs a line on a screen. */
  writeStatus(status: unknown): void {
    if (typeof status !== 'string' || status === this.#status) return;
    this.#status = status;
    try {
      put(this.#paths.status, Buffer.from(status).subarray(0, STATUS_BYTES));
    } catch {
      // A full disk, say. The next one may fit.
    }
  }

  writeData(data: Readonly<Record<string, unknown>>): void {
    put(this.#paths.data, JSON.stringify(data));
  }

  writeOutcome(outcome: JobOutcome): void {
    put(this.#paths.outcome, JSON.stringify(outcome));
  }
}

function put(path: string | undefined, content: string | Buffer): void {
  if (path === undefined) return;
  const temporary = `${path}.tmp`;
  writeFileSync(temporary, content, {mode: 0o600});
  renameSync(temporary, path);
}

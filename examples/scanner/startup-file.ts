import {mkdirSync, readFileSync, renameSync, watch, writeFileSync} from 'node:fs';
import type {FSWatcher} from 'node:fs';
import {basename, dirname, join} from 'node:path';

/** What a server tells its workers: where it listens, and the secret that they show. `started` is RFC 3339. */
export interface Startup {
  readonly address: string;
  readonly token: string;
  readonly started: string;
}

/** Puts the file in place in one step: a reader sees the old one, or the new one whole. Readable by its owner only. */
export function writeStartup(file: string, startup: Startup): void {
  mkdirSync(dirname(file), {recursive: true});
  const draft = join(dirname(file), `.${basename(file)}.${process.pid}`);
  writeFileSync(draft, `${JSON.stringify(startup)}\n`, {mode: 0o600});
  renameSync(draft, file);
}

/** The file's content, or `undefined` while there is none or it is no startup file. */
export function readStartup(file: string): Startup | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const {address, token, started} = value as Record<string, unknown>;
    if (typeof address !== 'string' || typeof token !== 'string' || !URL.canParse(address)) return undefined;
    return {address, token, started: typeof started === 'string' ? started : ''};
  } catch {
    return undefined; // Not there yet, or written by something that does not rename: the next look decides.
  }
}

/**
 * Resolves when the file says something else than `seen`, and after `resyncMs` in any case.
 *
 * Watching needs an inotify instance, of which a user has few (128 on many systems), and a folder that exists; without them only the resync remains.
 */
export async function startupChange(file: string, seen: Startup | undefined, resyncMs: number): Promise<void> {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    timer = setTimeout(resolve, resyncMs);
    const look = (): void => {
      if (readStartup(file)?.token !== seen?.token) resolve();
    };
    try {
      watcher = watch(dirname(file), look);
      watcher.on('error', () => {}); // The timer is behind it.
    } catch {
      // The timer is behind it.
    }
    look(); // It may have come between the caller's look and the watch.
  });
  clearTimeout(timer);
  watcher?.close();
}

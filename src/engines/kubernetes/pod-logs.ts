import {hasCode} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import {unlessLate} from '../../lib/unless-late.ts';
import {BoundedLog} from './bounded-log.ts';
import type {JobApi} from './job-api.ts';
import type {ContainerFacts, PodFacts} from './pod-facts.ts';

/** Reading a log that is there. */
const READ_MS = 30_000;
/** Following one from when its pod is told to go: longer than any grace that makes sense. */
const FOLLOW_MS = 600_000;
/** What is there already, or a moment away. */
const NEAR_MS = 2000;
/** Bytes of all logs that are followed or remembered together. */
const MEMORY_BYTES = 64 * 1024 * 1024;

/** A log that is followed, or was. */
interface FollowedLog {
  readonly log: BoundedLog;
  readonly limitBytes: number;
  /** Never rejects. */
  readonly ended: Promise<void>;
  /** Whether it was read to its end. */
  isWhole: boolean;
}

/**
 * The logs of pods. A node throws a pod's log away as soon as the pod that was told to go has gone; so that is followed from then on, and remembered
 * here for whoever asks when it has ended. A replica that comes later does not have it.
 */
export class PodLogs {
  readonly #api: JobApi;
  readonly #log: Log;
  readonly #kept = new Map<string, FollowedLog>();
  #bytes = 0;

  constructor(api: JobApi, log: Log) {
    this.#api = api;
    this.#log = log;
  }

  /** Begins to follow a pod's log. Resolves soon: when its first bytes would be seen, or all of them of a container that has ended. Never rejects. */
  async follow(pod: PodFacts, limitBytes: number): Promise<void> {
    const speaker = speakerOf(pod);
    if ((speaker?.isRunning !== true && speaker?.terminated === undefined) || limitBytes === 0 || this.#kept.has(pod.uid)) return;
    const log = new BoundedLog(limitBytes);
    const opened = this.#api.log(pod.name, speaker.name, true, AbortSignal.timeout(FOLLOW_MS));
    const readOut = async (): Promise<void> => {
      try {
        for await (const chunk of await opened) log.write(chunk);
        followed.isWhole = true;
      } catch (err) {
        this.#log.debug({err, pod: pod.name}, 'could not follow the log of a pod');
      }
    };
    const followed: FollowedLog = {log, limitBytes, ended: Promise.resolve().then(readOut), isWhole: false};
    this.#kept.set(pod.uid, followed);
    this.#bytes += limitBytes;
    for (const [uid, {limitBytes: bytes}] of this.#kept) {
      if (this.#bytes <= MEMORY_BYTES) break;
      this.#kept.delete(uid);
      this.#bytes -= bytes;
    }
    await within(opened);
    if (speaker.terminated !== undefined) await within(followed.ended);
  }

  /** What there is of a pod's log; empty where nothing is left of it. @throws ControlPlaneError `unavailable` */
  async read(pod: PodFacts, limitBytes: number): Promise<string> {
    const kept = this.#kept.get(pod.uid);
    if (kept !== undefined) {
      if (pod.isRemoved) await within(kept.ended);
      if (pod.isRemoved || (kept.isWhole && kept.log.bytes > 0)) return kept.log.text();
    }
    // What its node has thrown away it may still give for a moment, or an error message in its place.
    if (pod.isRemoved) return '';
    const log = new BoundedLog(limitBytes);
    try {
      for await (const chunk of await this.#api.log(pod.name, speakerOf(pod)?.name ?? pod.main, false, AbortSignal.timeout(READ_MS)))
        log.write(chunk);
    } catch (err) {
      // A container that has not begun has no log, which the server calls a bad request.
      if (!hasCode(err, 'not_found', 'invalid')) throw err;
    }
    return kept !== undefined && kept.log.bytes > log.bytes ? kept.log.text() : log.text();
  }
}

/** The container whose log counts: what kept the main one from beginning says why. */
function speakerOf({containers, main}: PodFacts): ContainerFacts | undefined {
  const failed = containers.find(({isInit, terminated}) => isInit && terminated !== undefined && terminated.code !== 0);
  return failed ?? containers.find(({name, isInit}) => name === main && !isInit);
}

/** Waits for what must be near: a node that does not answer must not keep an exit from being recorded. */
async function within(near: Promise<unknown>): Promise<void> {
  await unlessLate(near, NEAR_MS, () => undefined).catch(() => undefined);
}

import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {WorkflowEnding} from '../schema/state.ts';

/** What ends a workflow outside: see the client in `src/ewms`. */
export interface EndsWorkflows {
  /** @throws ControlPlaneError `not_found`: it is over already. Anything else: ask again. */
  endWorkflow(workflowId: string, ending: WorkflowEnding): Promise<void>;
}

export interface WorkflowEnderDeps {
  readonly ewms: EndsWorkflows;
  readonly clock: Clock;
  readonly log: Log;
  /** Stopping is not a failure. */
  readonly signal: AbortSignal;
  /** Called when a scan is to be looked at again. */
  onAnswer(scanId: string): void;
}

/** Calls in flight: a workload manager that is away must not be met by all scans at once when it comes back. */
const CONCURRENCY = 16;
/** Before the first repetition; doubled for each one after. */
const PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

interface Asked {
  readonly workflowId: string;
  readonly ending: WorkflowEnding;
  isOwner(): boolean;
}

/**
 * Tells the outside workload manager that workflows are over, beside the scans' own loop, so that its silence holds up no other scan.
 *
 * A scan is in one of these: unknown; `waiting` for a free call; `asking`; `failed`, to be asked again after a pause; `over`. Only {@link end} leads from
 * unknown and from `failed` to `waiting`; {@link forget} leads back to unknown. Nothing is lost with this process: what is to be told is in the scan's state.
 */
export class WorkflowEnder {
  readonly #deps: WorkflowEnderDeps;
  readonly #waiting = new Map<string, Asked>();
  readonly #asking = new Map<string, Asked>();
  readonly #failed = new Map<string, {readonly failures: number; readonly untilMs: number}>();
  readonly #over = new Set<string>();

  constructor(deps: WorkflowEnderDeps) {
    this.#deps = deps;
  }

  /** Whether the workload manager has said that the scan's workflow is over. */
  isOver(scanId: string): boolean {
    return this.#over.has(scanId);
  }

  /**
   * Asks, unless that is under way. The answer calls `onAnswer`.
   *
   * @param isOwner looked at right before the call: a process that lost the scan while it waited leaves it to its successor
   * @returns milliseconds after which to come again, where nothing else would wake the scan
   */
  end(scanId: string, workflowId: string, ending: WorkflowEnding, isOwner: () => boolean): number | undefined {
    if (this.#waiting.has(scanId) || this.#asking.has(scanId)) return undefined;
    const leftMs = (this.#failed.get(scanId)?.untilMs ?? 0) - this.#deps.clock.monotonicMs();
    if (leftMs > 0) return leftMs;
    this.#waiting.set(scanId, {workflowId, ending, isOwner});
    this.#askMore();
    return undefined;
  }

  /** The scan is not ours any more. A call in flight is let go on: it does no harm twice. */
  forget(scanId: string): void {
    this.#waiting.delete(scanId);
    this.#asking.delete(scanId);
    this.#failed.delete(scanId);
    this.#over.delete(scanId);
  }

  #askMore(): void {
    for (const [scanId, asked] of this.#waiting) {
      if (this.#asking.size >= CONCURRENCY) return;
      this.#waiting.delete(scanId);
      if (!asked.isOwner()) continue;
      this.#asking.set(scanId, asked);
      void this.#ask(scanId, asked);
    }
  }

  async #ask(scanId: string, asked: Asked): Promise<void> {
    const {ewms, clock, log} = this.#deps;
    const {workflowId, ending} = asked;
    let failure: unknown;
    try {
      await ewms.endWorkflow(workflowId, ending);
    } catch (err) {
      if (this.#deps.signal.aborted) return;
      // A call that it does not take will not be taken the next time either, and a scan must not wait for ever.
      if (hasCode(err, 'invalid', 'wrong_state')) log.error({err, scanId, workflowId, ending}, 'the workload manager does not end this workflow');
      else if (!hasCode(err, 'not_found')) failure = err;
    }
    // Forgotten meanwhile, and perhaps asked anew: then this answer is for nobody.
    if (this.#asking.get(scanId) === asked) {
      this.#asking.delete(scanId);
      if (failure === undefined) {
        this.#failed.delete(scanId);
        this.#over.add(scanId);
        log.info({scanId, workflowId, ending}, 'workflow ended');
      } else {
        const failures = (this.#failed.get(scanId)?.failures ?? 0) + 1;
        const pauseMs = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** (failures - 1));
        this.#failed.set(scanId, {failures, untilMs: clock.monotonicMs() + pauseMs});
        log.warn({err: failure, scanId, workflowId, ending, failures, pauseMs}, 'workflow not ended; asking again');
      }
      this.#deps.onAnswer(scanId);
    }
    this.#askMore();
  }
}

import {unreachable} from '../lib/assert.ts';
import {rfc3339} from '../lib/clock.ts';
import type {Deployment, DeploymentState} from '../schema/deployment.ts';
import type {JobExit, JobTry} from '../schema/job.ts';
import {DEFAULT_RETRIES, LONGEST_PAUSE_MS, STEADY_MS, isOverStatus} from './deployment-facts.ts';
import type {DeploymentInput} from './deployment-plan.ts';
import {isLost, isTransientReason, lostExit} from './exit-reasons.ts';
import {wasStopped} from './job-try.ts';
import {foreignLeftMs} from './try-learning.ts';
import type {Observed} from './try-learning.ts';

type LearningInput = Pick<DeploymentInput, 'nowMs' | 'ownedForMs' | 'policy' | 'refused'> & {readonly spec: Deployment};

/** Takes over into the state what the engine says of its try that has not ended: that it runs, or how it ended. The same state when there is nothing new. */
export function learnDeployment(state: DeploymentState, open: JobTry, observed: Observed, input: LearningInput): DeploymentState {
  switch (observed.kind) {
    case 'absent':
      return state;
    case 'waiting': {
      const reason = `waits: ${observed.why}`;
      return isOverStatus(state.status) || reason === state.reason ? state : {...state, reason};
    }
    case 'running': {
      if (open.handle !== undefined && (state.status === 'RUNNING' || isOverStatus(state.status))) return state;
      const {reason: _reason, retry_at: _retry, ...rest} = state;
      const running = {...open, handle: observed.handle, started_at: observed.startedAt};
      // One that somebody has ended by hand stays so: it is stopped.
      return {...(isOverStatus(state.status) ? state : {...rest, status: 'RUNNING'}), tries: replaced(state, running)};
    }
    case 'foreign':
      return foreignLeftMs(input) > 0 ? state : ended(state, open, lostExit('foreign', input.nowMs), input);
    case 'closed':
      return ended(state, open, lostExit('closed', input.nowMs), input);
    case 'exited':
      return ended(state, open.handle === undefined ? {...open, handle: observed.handle} : open, observed.exit, input);
    default:
      return unreachable(observed);
  }
}

/**
 * The state after a try. What we stopped, what never began and what went down with its host has used up no retry; exit code 0 is the end; anything else is
 * started again after a pause that doubles, until the retries are used up. They are all there again for one that had run well for a while.
 */
function ended(state: DeploymentState, open: JobTry, exit: JobExit, {nowMs, policy, refused, spec}: LearningInput): DeploymentState {
  const {reason: _reason, retry_at: _retry, ...rest} = {...state, tries: replaced(state, {...open, exit})};
  if (isOverStatus(state.status)) return {...rest, ...(state.reason === undefined ? {} : {reason: state.reason})};
  if (refused !== undefined) return {...rest, status: 'FAILED', reason: refused};
  if (wasStopped(exit)) return {...rest, status: 'PENDING', reason: 'stopped'};
  const after = (ms: number): string => rfc3339(nowMs + ms);
  if (isLost(exit) || isTransientReason(exit.reason)) return {...rest, status: 'PENDING', reason: wordsOf(exit), retry_at: after(policy.retryBaseMs)};
  if (exit.code === 0 && exit.reason === undefined) return {...rest, status: 'FINISHED'};
  const ranMs = Date.parse(exit.ended_at) - Date.parse(open.started_at ?? exit.ended_at);
  const failures = (ranMs >= STEADY_MS ? 0 : state.failures) + 1;
  if (failures > (spec.args.retries ?? DEFAULT_RETRIES)) {
    return {...rest, status: 'FAILED', failures, reason: `failed ${failures === 1 ? 'once' : `${failures} times, last`}: ${wordsOf(exit)}`};
  }
  const pauseMs = Math.min(LONGEST_PAUSE_MS, policy.retryBaseMs * 2 ** (failures - 1));
  return {...rest, status: 'PENDING', failures, reason: wordsOf(exit), retry_at: after(pauseMs)};
}

function replaced(state: DeploymentState, next: JobTry): JobTry[] {
  return [...state.tries.slice(0, -1), next];
}

/** How a try ended, in words. */
function wordsOf({code, error, reason, signal}: JobExit): string {
  return error || reason || (signal === undefined ? `exit code ${code}` : `ended by ${signal}`);
}

import type {Chain} from '../../../src/schema/chain.ts';
import {chainKey, scanKey} from '../../../src/schema/keys.ts';
import type {EndState} from '../../../src/schema/job-outcome.ts';
import type {Ending} from '../reference-interpreter.ts';
import type {Behaviour} from './simulated-host.ts';
import type {Simulation} from './simulation.ts';

const ODD_ENDS: readonly EndState[] = ['FAIL', 'FAIL', 'FAIL', 'UNKNOWN', 'STOPPED'];

/** Puts a request with its chain in place, as its creation does. */
export function putChain({etcd}: Simulation, id: string, chain: Chain): void {
  const types = {t: {run: {kind: 'command', command: ['t']}}};
  etcd.put(chainKey(id), JSON.stringify({...chain, types}));
  etcd.put(scanKey(id), JSON.stringify({type: 'random', args: {}, created_at: Date.now() / 1000}));
}

/**
 * Jobs that end sooner or later, well or not, by what they say or by their exit code. Asked to end, most do, some complete or say something else, and some
 * do not listen. How those ended that ended by themselves is noted in `endings`, by the name of the run.
 */
export function randomJobs(endings: Map<string, Ending>): (simulation: Simulation) => Behaviour {
  return ({random}) =>
    (run) => {
      let isStopping = false;
      let isStuck = false;
      const end = (state: EndState): void => {
        if (run.endedAtMs !== undefined || isStuck) return;
        endings.set(run.name, isStopping && state !== 'COMPLETE' ? 'stopped' : state);
        // What has no words for it says so with its exit code.
        if (random() < 0.5 || (state !== 'COMPLETE' && state !== 'FAIL')) run.say({outcome: {state, exit: '0', error: ''}});
        run.exit(state === 'COMPLETE' ? 0 : 1, isStopping ? {reason: 'stopped'} : {});
      };
      const anyEnd = (): EndState => (random() < 0.75 ? 'COMPLETE' : (ODD_ENDS[Math.floor(random() * ODD_ENDS.length)] as EndState));
      run.after(20 + random() * (random() < 0.1 ? 10_000 : 1000), () => end(anyEnd()));
      run.onStop(() => {
        isStopping = true;
        if (random() < 0.2) {
          isStuck = random() < 0.7; // Only a kill ends it.
          return;
        }
        run.after(random() * 1000, () => {
          if (random() < 0.3) return end(anyEnd());
          endings.set(run.name, 'stopped');
          run.exit(null, {signal: 'SIGTERM', reason: 'stopped'});
        });
      });
    };
}

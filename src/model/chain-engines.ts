import {ControlPlaneError} from '../lib/errors.ts';
import {NOOP} from '../schema/chain.ts';
import type {Chain} from '../schema/chain.ts';
import {EXTERNAL_ENGINE} from '../schema/cluster.ts';

/** The engine that has files and programs of ours beside its jobs. */
export const HOST_ENGINE = 'process';

/**
 * Checks that the clusters of a chain can run its jobs: none is external, and those of HTTP calls and classes have the process engine. One that nobody
 * knows may still be put.
 *
 * @throws ControlPlaneError `invalid`: names the job and its cluster
 */
export function checkEngines(chain: Chain, engineOf: (cluster: string) => string | undefined): void {
  for (const [id, {name = id, type, cluster}] of Object.entries(chain.jobs)) {
    const engine = type === NOOP ? undefined : engineOf(cluster);
    if (engine === undefined || engine === HOST_ENGINE) continue;
    const problem = engine === EXTERNAL_ENGINE ? 'its jobs are none of ours' : hostProblem(chain, type);
    if (problem !== undefined) throw new ControlPlaneError('invalid', `job ${name} (type ${type}) cannot run on cluster ${cluster}: ${problem}`);
  }
}

/** Why a job type can run nowhere but beside our files; `undefined`: it can. */
function hostProblem({types = {}}: Chain, type: string): string | undefined {
  const kind = Object.hasOwn(types, type) ? types[type]?.run.kind : undefined;
  if (kind === undefined || kind === 'command') return undefined;
  return `${kind === 'http' ? 'an HTTP call' : 'a class'} needs the engine ${HOST_ENGINE}`;
}

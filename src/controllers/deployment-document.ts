import {DOCUMENT_BYTES} from '../engines/engine.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import type {Deployment} from '../schema/deployment.ts';
import type {JobLaunch} from './job-document.ts';

/** What every process of a deployment is told: where the API and the database are. Nothing here is secret. */
export interface ScriptConfig {
  readonly apiAddress: string;
  readonly etcdEndpoints: readonly string[];
  readonly etcdPrefix: string;
}

/**
 * The command, the environment and the document of one try of a deployment. What we say in the environment wins over what its args say.
 *
 * @throws ControlPlaneError `invalid`: it has no command. `too_large`: its values.
 */
export function deploymentLaunch({id, pb_id, args}: Deployment, tryNumber: number, token: string, config: ScriptConfig): JobLaunch {
  if (args.command === undefined) throw new ControlPlaneError('invalid', 'args.command is missing: the process engine runs commands, not images');
  const document = JSON.stringify({deployment_id: id, pb_id: pb_id ?? null, try: tryNumber, values: args.values ?? {}});
  if (Buffer.byteLength(document) > DOCUMENT_BYTES) {
    throw new ControlPlaneError('too_large', `args.values are larger than ${DOCUMENT_BYTES} bytes`);
  }
  return {
    command: args.command,
    env: [
      ...(args.env ?? []),
      ['SCANPLANE_DEPLOYMENT_ID', id],
      ...(pb_id === undefined ? [] : [['SCANPLANE_PB_ID', pb_id] as const]),
      ['SCANPLANE_TRY', String(tryNumber)],
      ['SCANPLANE_API', config.apiAddress],
      ['SCANPLANE_TOKEN', token],
      ['SCANPLANE_ETCD_ENDPOINTS', config.etcdEndpoints.join(',')],
      ['SCANPLANE_ETCD_PREFIX', config.etcdPrefix],
    ],
    document,
  };
}

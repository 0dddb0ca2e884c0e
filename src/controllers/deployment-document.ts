import {DOCUMENT_BYTES} from '../engines/engine.ts';
import type {JobSpec} from '../engines/engine.ts';
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
 * What to run for one try of a deployment: an engine of processes (`runsImages` false) takes its command, one of containers its image with the command as
 * arguments, or the command in the cluster's own image. What we say in the environment wins over what its args say.
 *
 * @throws ControlPlaneError `invalid`: there is nothing to run. `too_large`: its values.
 */
export function deploymentLaunch(
  {id, pb_id, args}: Deployment,
  tryNumber: number,
  token: string,
  config: ScriptConfig,
  runsImages = false,
): JobLaunch & Pick<JobSpec, 'image' | 'pod'> {
  const image = runsImages ? args.image : undefined;
  if (args.command === undefined && image === undefined) {
    const why = runsImages ? 'args.image and args.command are missing' : 'args.command is missing: the process engine runs commands, not images';
    throw new ControlPlaneError('invalid', why);
  }
  const document = JSON.stringify({deployment_id: id, pb_id: pb_id ?? null, try: tryNumber, values: args.values ?? {}});
  if (Buffer.byteLength(document) > DOCUMENT_BYTES) {
    throw new ControlPlaneError('too_large', `args.values are larger than ${DOCUMENT_BYTES} bytes`);
  }
  return {
    command: args.command ?? [],
    ...(image === undefined ? {} : {image, pod: {hasOwnCommand: true}}),
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

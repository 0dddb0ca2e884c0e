import {must} from '../../../src/lib/assert.ts';
import {eventually} from '../eventually.ts';
import type {TestCluster} from './test-namespace.ts';

/** What differs between the small Jobs of tests. */
export interface SmallJob {
  readonly command: readonly string[];
  /** Default: a shell and small tools. */
  readonly image?: string;
  readonly limits?: Readonly<Record<string, string>>;
}

/** Creates a Job of one pod, which is never tried again. */
export async function runJob(cluster: TestCluster, name: string, job: SmallJob): Promise<void> {
  const container = {
    name: 'main',
    image: job.image ?? cluster.busybox,
    command: job.command,
    ...(job.limits === undefined ? {} : {resources: {limits: job.limits}}),
  };
  await cluster.apply({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {name},
    spec: {backoffLimit: 0, template: {spec: {restartPolicy: 'Never', containers: [container]}}},
  });
}

/** Resolves to how a Job ended; rejects with what its pods look like if it does not within two minutes. */
export async function untilJobEnds(cluster: TestCluster, name: string): Promise<'Complete' | 'Failed'> {
  const read = async (): Promise<string> =>
    cluster.kubectl(['get', 'job', name, '-o', 'jsonpath={range .status.conditions[?(@.status=="True")]}{.type}{"\\n"}{end}']);
  let ended: 'Complete' | 'Failed' | undefined;
  try {
    await eventually(
      async () => {
        ended = (await read()).split('\n').find((type) => type === 'Complete' || type === 'Failed');
        return ended !== undefined;
      },
      {timeoutMs: 120_000, everyMs: 250},
    );
  } catch (err) {
    throw new Error(`the Job ${name} does not end:\n${await cluster.kubectl(['describe', 'pods', '--selector', `job-name=${name}`])}`, {cause: err});
  }
  return must(ended, 'the loop above ends with one');
}

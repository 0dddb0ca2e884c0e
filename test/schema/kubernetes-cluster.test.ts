import {describe, expect, test} from 'vitest';
import {parseCluster} from '../../src/schema/cluster.ts';

const parse = (settings: unknown): unknown => parseCluster(JSON.stringify({engine: 'kubernetes', capacity: 1, settings}), '/cluster/k8s').settings;

describe('what a cluster changes of Kubernetes objects', () => {
  test('is taken as it is, where it is what Kubernetes knows', () => {
    const settings = {
      job: {metadata: {labels: {team: 'x'}, annotations: {a: null}}, spec: {activeDeadlineSeconds: 60}},
      pod: {
        metadata: {labels: {zone: 'a'}},
        spec: {
          ...{nodeSelector: {disk: 'ssd'}, tolerations: [{operator: 'Exists'}], serviceAccountName: 'sa', imagePullSecrets: [{name: 'pull'}]},
          ...{
            securityContext: {runAsUser: 7, runAsNonRoot: null},
            volumes: [{name: 'cvmfs', hostPath: {path: '/cvmfs'}}],
            affinity: {any: {thing: 1}},
          },
        },
      },
      container: {imagePullPolicy: 'Always', resources: {limits: {memory: '1Gi', cpu: 0.5}}, env: [{name: 'A', value: 'b'}], securityContext: null},
      job_types: {reduce: {image: 'reduce:1', resources: {requests: {cpu: '500m'}}}},
      secret_env: {S3_KEY: {secret: 's3', key: 'id'}},
    };
    expect(parse(settings)).toEqual(settings);
  });

  test.each<[string, unknown, string]>([
    ['a word that a pod does not know', {pod: {spec: {nodeSelectr: {}}}}, 'settings.pod.spec must NOT have additional properties (nodeSelectr)'],
    ['the containers themselves', {pod: {spec: {containers: []}}}, 'settings.pod.spec must NOT have additional properties (containers)'],
    ['a value of the wrong type', {pod: {spec: {tolerations: {operator: 'Exists'}}}}, 'settings.pod.spec.tolerations must be array,null'],
    ['a selector that is no text', {pod: {spec: {nodeSelector: {gpus: 2}}}}, 'settings.pod.spec.nodeSelector.gpus must be string,null'],
    ['a volume without a name', {pod: {spec: {volumes: [{emptyDir: {}}]}}}, "settings.pod.spec.volumes.0 must have required property 'name'"],
    [
      'a mark that is ours',
      {pod: {metadata: {labels: {'scanplane/record': 'x'}}}},
      'settings.pod.metadata.labels must match pattern "^(?!scanplane/)"',
    ],
    ['how many run of a Job', {job: {spec: {parallelism: 3}}}, 'settings.job.spec must NOT have additional properties (parallelism)'],
    [
      'an exit of a Job',
      {job: {metadata: {annotations: {'scanplane/exit': '{}'}}}},
      'settings.job.metadata.annotations must match pattern "^(?!scanplane/)"',
    ],
    ['an amount that is none', {container: {resources: {limits: {memory: 'much'}}}}, 'settings.container.resources.limits.memory must match pattern'],
    ['a command as text', {container: {command: 'sh -c x'}}, 'settings.container.command must be array,null'],
    ['a Secret without its key', {secret_env: {A: {secret: 's'}}}, "settings.secret_env.A must have required property 'key'"],
    ['a variable of an odd name', {secret_env: {'A B': {secret: 's', key: 'k'}}}, 'settings.secret_env must match pattern'],
    ['a job type with a stray word', {job_types: {a: {images: 'x'}}}, 'settings.job_types.a must NOT have additional properties (images)'],
  ])('%s is refused with its place', (_what, settings, message) => {
    expect(() => parse(settings)).toThrow(message);
  });

  test('a prototype or endless nesting is refused', () => {
    const text = '{"engine": "kubernetes", "capacity": 1, "settings": {"pod": {"spec": {"affinity": {"__proto__": {"x": 1}}}}}}';
    expect(() => parseCluster(text, '/cluster/k8s')).toThrow('settings: pod.spec.affinity has a member __proto__');
    let deep: Record<string, unknown> = {};
    for (let n = 0; n < 1000; n++) deep = {a: deep};
    expect(() => parse({pod: {spec: {affinity: deep}}})).toThrow('nested');
  });
});

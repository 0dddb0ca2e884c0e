import {expect, test} from 'vitest';
import {deploymentLaunch} from '../../src/controllers/deployment-document.ts';
import {hasCode} from '../../src/lib/errors.ts';
import type {DeploymentArgs} from '../../src/schema/deployment.ts';

const CONFIG = {apiAddress: 'http://api', etcdEndpoints: ['http://a:1', 'http://b:2'], etcdPrefix: '/p'};

test('what we say in the environment comes after what the args say, and wins', () => {
  const args = {command: ['run'], env: [['SCANPLANE_API', 'http://elsewhere']] as const};
  const {env} = deploymentLaunch({id: 'd', type: 'job', args}, 3, 'token', CONFIG);
  expect(Object.fromEntries(env)).toEqual({
    ...{SCANPLANE_DEPLOYMENT_ID: 'd', SCANPLANE_TRY: '3', SCANPLANE_API: 'http://api', SCANPLANE_TOKEN: 'token'},
    ...{SCANPLANE_ETCD_ENDPOINTS: 'http://a:1,http://b:2', SCANPLANE_ETCD_PREFIX: '/p'},
  });
});

test('the document says which deployment, block and try it is, and holds the values, but not the token', () => {
  const {document, env} = deploymentLaunch({id: 'd', type: 'job', pb_id: 'pb-1', args: {command: ['run'], values: {a: 1}}}, 2, 'token', CONFIG);
  expect(env).toContainEqual(['SCANPLANE_PB_ID', 'pb-1']);
  expect(JSON.parse(document)).toEqual({deployment_id: 'd', pb_id: 'pb-1', try: 2, values: {a: 1}});
});

test('an image without a command, and values that are too large, are refused', () => {
  const refusal = (args: DeploymentArgs): unknown => {
    try {
      return deploymentLaunch({id: 'd', type: 'job', args}, 1, 'token', CONFIG);
    } catch (err) {
      return err;
    }
  };
  expect(hasCode(refusal({image: 'a'}), 'invalid')).toBe(true);
  expect(hasCode(refusal({}), 'invalid')).toBe(true);
  expect(hasCode(refusal({command: ['run'], values: {x: 'x'.repeat(1024 * 1024)}}), 'too_large')).toBe(true);
});

test('where images are run, an image takes the command as its arguments; a command alone runs in the image of its cluster', () => {
  const launch = (args: DeploymentArgs) => deploymentLaunch({id: 'd', type: 'job', args}, 1, 'token', CONFIG, true);
  expect(launch({image: 'vis:1.0'})).toMatchObject({image: 'vis:1.0', command: [], pod: {hasOwnCommand: true}});
  expect(launch({image: 'vis:1.0', command: ['-v']})).toMatchObject({image: 'vis:1.0', command: ['-v'], pod: {hasOwnCommand: true}});
  expect(launch({command: ['run']})).not.toHaveProperty('image');
  expect(() => launch({})).toThrow('args.image and args.command are missing');
});

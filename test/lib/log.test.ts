import {expect, test} from 'vitest';
import {logLines} from '../support/log-lines.ts';

test('what is secret is not written, at any of the depths we log', () => {
  const {log, text} = logLines();
  const secrets = {token: 'S3', authorization: 'Bearer S3', Authorization: 'Bearer S3', password: 'S3', env: [['A', 'S3']]};
  log.info(secrets, 'top');
  log.info({headers: secrets}, 'one down');
  log.info({request: {headers: secrets}}, 'two down');
  log.child({job: secrets}).info('bound');
  expect(text()).not.toContain('S3');
  expect(text()).toContain('[redacted]');
});

import {expect, test} from 'vitest';
import {Launcher} from '../../src/controllers/launcher.ts';
import type {JobSpec} from '../../src/engines/engine.ts';
import {scanOfJobToken, tokenDigest} from '../../src/schema/job-token.ts';
import type {Cache} from '../../src/store/cache.ts';
import {aJob, aSpec, entry} from '../support/builders.ts';
import {FakeEngine} from '../support/fake-engine.ts';

test('each try of a scanner is given a token of its own, which names its scan and of which only the digest is stored', async () => {
  const launched: JobSpec[] = [];
  class Engine extends FakeEngine {
    override ensure(job: JobSpec): ReturnType<FakeEngine['ensure']> {
      launched.push(job);
      return super.ensure(job);
    }
  }
  const cluster = entry({engine: 'process', capacity: 1, settings: {scanner_server: ['scanner']}});
  const cache = {clusters: new Map([['local', cluster]]), bad: new Map(), meta: undefined} as unknown as Cache;
  const settings = {
    scannerAddress: 'http://api.example',
    reportAddress: '',
    jobs: {host: []},
    scripts: {apiAddress: '', etcdEndpoints: [], etcdPrefix: ''},
    outputLimitBytes: 1024,
    stopGraceMs: 0,
    orphanAfterMs: 0,
  };
  const launcher = new Launcher(cache, new Map([['process', new Engine()]]), settings);

  const stored = [];
  for (const number of [1, 2]) {
    const ref = {scanId: 's1', job: 'server', try: number};
    stored.push(launcher.intend(ref, aJob(), '2026-01-01T00:00:00.000Z'));
    await launcher.launch(ref, aJob(), {kind: 'skymap', spec: aSpec()}, {epoch: 1, revision: number});
  }
  const tokens = launched.map(({env}) => new Map(env).get('SKYSCAN_SKYDRIVER_AUTH') ?? '');
  expect(new Set(tokens).size).toBe(2);
  expect(tokens.map(scanOfJobToken)).toEqual(['s1', 's1']);
  expect(stored.map(({token_digest}) => token_digest)).toEqual(tokens.map(tokenDigest));
  for (const token of tokens) expect(JSON.stringify(stored)).not.toContain(token.slice(-64));
});

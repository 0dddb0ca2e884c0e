import {expect, test} from 'vitest';
import {jobLaunch} from '../../src/controllers/job-document.ts';
import {withSaid} from '../../src/controllers/job-said.ts';
import {SpecJobMaker} from '../../src/jobs/job-maker.ts';
import {must} from '../../src/lib/assert.ts';
import type {JobTypeSpec} from '../../src/specs/spec.ts';
import {aJob, untilExited} from '../contract/engine.ts';
import {HostedJobs} from '../support/job-host.ts';

const SCRIPT = `cat > document; cmp document "$SCANPLANE_JOB_FILE" && printf '%s|%s|%s' "$1" "$ARG_HOST" "$ARG_URL"
echo '{"found": ["a"]}' > "$SCANPLANE_DATA_FILE"; exit 4`;

test('a command goes from its declaration to what came of it', async () => {
  const jobs = await HostedJobs.open();
  try {
    const {engine} = jobs;
    const type: JobTypeSpec = {
      name: 'probe',
      place: {file: 'a.yaml', line: 1},
      run: {kind: 'command', command: ['/bin/sh', '-c', SCRIPT, 'sh', '--url=${url}']},
      sets: {url: 'http://${host}/'},
      timeout: '1m',
    };
    const args = {host: 'n1 "$(id)"; exit'};
    const made = await new SpecJobMaker(new Map([['probe', type]]), undefined).make({type: 'probe', name: 'p', id: 'aB3x', requestId: 'r1', args});
    const base = aJob();
    const launch = jobLaunch(
      {
        ref: base.ref,
        requestType: 'survey',
        planned: {name: 'p', type: 'probe', cluster: 'c', count: 1, retry: 0, args, bytes: must(made.bytes, 'it sets something')},
        runs: made.runs,
        data: {},
        report: {url: 'http://api.example', token: 't'},
      },
      {host: []},
    );
    await engine.ensure({...base, ...launch});
    const ended = await untilExited(engine, base.ref);
    expect(await engine.output(base.ref, engine.place, 0, 'stderr')).toBe('');
    expect(await engine.output(base.ref, engine.place, 0, 'stdout')).toBe(`--url=http://${args.host}/|${args.host}|http://${args.host}/`);
    expect(withSaid(ended, await engine.said(base.ref, engine.place))).toMatchObject({kind: 'exited', exit: {code: 4}, data: {found: ['a']}});
  } finally {
    await jobs.close();
  }
});

import {expect, test} from 'vitest';
import type {DeployRecord} from '../../src/model/block-record.ts';
import {digestOfArgs, needsDeployer} from '../../src/model/deployment-facts.ts';
import {planDeployment} from '../../src/model/deployment-plan.ts';
import type {DeploymentInput, DeploymentStep, FoundTry} from '../../src/model/deployment-plan.ts';
import type {Observed} from '../../src/model/try-learning.ts';
import type {Deployment, DeploymentArgs, DeploymentState} from '../../src/schema/deployment.ts';
import type {JobExit} from '../../src/schema/job.ts';
import {aTry, entry} from '../support/builders.ts';

const NOW = Date.parse('2026-01-01T10:00:00.000Z');
const ENDED_AT = '2026-01-01T09:59:59.000Z';
const OF = 7;
const ARGS: DeploymentArgs = {command: ['run'], retries: 2};
const POLICY = {retryBaseMs: 1000, orphanAfterMs: 600_000, stopGraceMs: 10_000};
const BAD = {key: 'k', reason: 'damaged', createRevision: OF, modRevision: 9, lease: '0'};

const aDeployment = (more: Partial<Deployment> = {}): Deployment => ({id: 'd', type: 'job', args: ARGS, ...more});
const aState = (more: Partial<DeploymentState> = {}): DeploymentState => ({
  ...{status: 'RUNNING', of: OF, args_digest: digestOfArgs(ARGS), tries_total: 1, failures: 0, tries: [aTry({handle: 'h'})]},
  ...{by: {replica: 'r'}, ...more},
});
const spec = (more: Partial<Deployment> = {}): Pick<DeployRecord, 'spec'> => ({spec: entry(aDeployment(more), OF)});
const state = (more: Partial<DeploymentState> = {}): Pick<DeployRecord, 'state'> => ({state: entry(aState(more), 8)});

const running: Observed = {kind: 'running', handle: 'h', startedAt: ENDED_AT};
const exited = (exit: Partial<JobExit>): Observed => ({kind: 'exited', handle: 'h', exit: {code: 0, ended_at: ENDED_AT, ...exit}});

function plan(record: Partial<DeployRecord>, more: Partial<DeploymentInput> = {}): DeploymentStep {
  return planDeployment({record: {id: 'd', ...record}, found: [], nowMs: NOW, ownedForMs: 0, policy: POLICY, ...more});
}

const stateOf = (step: DeploymentStep): Partial<DeploymentState> => ('state' in step ? step.state : {});

test('a new deployment is launched, as the first try under its key', () => {
  const step = plan(spec());
  expect(step).toEqual({
    kind: 'launch',
    isNew: true,
    state: {status: 'PENDING', of: OF, args_digest: digestOfArgs(ARGS), tries_total: 0, failures: 0, tries: []},
  });
});

test('what runs is recorded as running once, then waited for', () => {
  const step = plan({...spec(), ...state({status: 'PENDING', reason: 'exit code 1', tries: [aTry()]})}, {observed: running});
  expect(step).toMatchObject({kind: 'record', state: {status: 'RUNNING', tries: [{handle: 'h', started_at: ENDED_AT}]}});
  expect(stateOf(step)).not.toHaveProperty('reason');
  expect(plan({...spec(), ...state()}, {observed: running})).toEqual({kind: 'wait'});
});

interface EndRow {
  readonly exit: Partial<JobExit>;
  readonly failures?: number;
  readonly startedAt?: string;
  readonly kind: 'record' | 'finish';
  readonly becomes: Partial<DeploymentState>;
}

test.each<[string, EndRow]>([
  ['exit code 0 is the end', {exit: {}, kind: 'finish', becomes: {status: 'FINISHED', failures: 0}}],
  [
    'a failure is started again after the base pause',
    {exit: {code: 3}, kind: 'record', becomes: {status: 'PENDING', failures: 1, reason: 'exit code 3', retry_at: '2026-01-01T10:00:01.000Z'}},
  ],
  [
    'the next one after twice that',
    {exit: {code: 3}, failures: 1, kind: 'record', becomes: {status: 'PENDING', failures: 2, retry_at: '2026-01-01T10:00:02.000Z'}},
  ],
  [
    'when the retries are used up it has failed',
    {
      exit: {code: null, signal: 'SIGSEGV'},
      failures: 2,
      kind: 'finish',
      becomes: {status: 'FAILED', reason: 'failed 3 times, last: ended by SIGSEGV'},
    },
  ],
  [
    'after ten minutes that went well, former failures do not count any more',
    {
      exit: {code: 3},
      failures: 2,
      startedAt: '2026-01-01T09:49:59.000Z',
      kind: 'record',
      becomes: {status: 'PENDING', failures: 1},
    },
  ],
  ['a try that we stopped does not count', {exit: {code: 0, reason: 'stopped'}, kind: 'record', becomes: {status: 'PENDING', failures: 0}}],
  [
    'one that nobody renewed does not count',
    {
      exit: {code: null, reason: 'orphaned: no controller renewed it for 4 s'},
      failures: 2,
      kind: 'record',
      becomes: {status: 'PENDING', failures: 2},
    },
  ],
  [
    'one that went down with its host does not count',
    {exit: {code: null, reason: 'supervisor lost: the host was restarted'}, kind: 'record', becomes: {status: 'PENDING', failures: 0}},
  ],
])('%s', (_title, {exit, failures = 0, startedAt, kind, becomes}) => {
  const tries = [aTry({handle: 'h', ...(startedAt === undefined ? {} : {started_at: startedAt})})];
  const step = plan({...spec(), ...state({failures, tries})}, {observed: exited(exit)});
  expect(step).toMatchObject({kind, state: becomes, ended: {try: 1}});
});

test('a try that never began is followed by another, after a pause', () => {
  const step = plan({...spec(), ...state({tries: [aTry()]})}, {observed: {kind: 'closed'}});
  expect(step).toMatchObject({kind: 'record', state: {status: 'PENDING', failures: 0, reason: 'never began'}});
});

test('a try that its engine refused for good is the end', () => {
  const step = plan({...spec(), ...state({tries: [aTry()]})}, {observed: {kind: 'closed'}, refused: 'too large'});
  expect(step).toMatchObject({kind: 'finish', state: {status: 'FAILED', reason: 'too large', failures: 0}});
});

test('what another host runs is waited for as long as it may run, then counts as lost', () => {
  const record = {...spec(), ...state()};
  expect(plan(record, {observed: {kind: 'foreign'}})).toEqual({kind: 'wait', afterMs: 911_000});
  expect(plan(record, {observed: {kind: 'foreign'}, ownedForMs: 911_000})).toMatchObject({kind: 'record', state: {status: 'PENDING', failures: 0}});
});

test('a pause is waited for, but never longer than the longest, whatever the clock says', () => {
  const ended = {...spec(), ...state({status: 'PENDING', tries: [aTry({exit: {code: 1, ended_at: ENDED_AT}})]})};
  const withRetry = (retry_at: string): DeploymentStep => plan({...ended, ...state({...ended.state?.value, retry_at})});
  expect(withRetry('2026-01-01T10:00:02.000Z')).toEqual({kind: 'wait', afterMs: 2000});
  expect(withRetry('2030-01-01T10:00:02.000Z')).toEqual({kind: 'wait', afterMs: 30_000});
  for (const due of ['2026-01-01T10:00:00.000Z', 'soon'])
    expect(withRetry(due)).toMatchObject({kind: 'launch', isNew: false, state: {tries_total: 1}});
});

test('changed args: what runs is stopped, then the new ones are launched with all retries', () => {
  const changed = spec({args: {command: ['other']}});
  expect(plan({...changed, ...state()}, {observed: running})).toEqual({kind: 'quiet', stop: [{job: '7', try: 1, place: 'p'}], close: []});
  const stopped = state({status: 'PENDING', failures: 2, retry_at: '2026-01-01T10:00:20.000Z', tries: [aTry({exit: {code: 1, ended_at: ENDED_AT}})]});
  expect(plan({...changed, ...stopped})).toMatchObject({kind: 'launch', isNew: false, state: {failures: 0, tries_total: 1}});
  for (const status of ['FINISHED', 'FAILED', 'CANCELLED'] as const) {
    expect(plan({...changed, ...state({...stopped.state?.value, status})})).toMatchObject({kind: 'launch', state: {failures: 0}});
    expect(plan({...spec(), ...state({...stopped.state?.value, status})})).toEqual({kind: 'resign'});
  }
});

test('a key that was deleted: stop, wait, remove the state', () => {
  expect(plan(state(), {observed: running})).toMatchObject({kind: 'quiet', stop: [{try: 1}]});
  expect(plan(state({tries: [aTry()]}), {observed: {kind: 'absent'}})).toMatchObject({kind: 'quiet', close: [{try: 1}]});
  expect(plan(state(), {observed: {kind: 'foreign'}})).toMatchObject({kind: 'wait'});
  expect(plan(state(), {observed: exited({code: 1})})).toEqual({kind: 'remove'});
});

test('one that was created again ends what ran, then starts anew', () => {
  const again = {...spec(), ...state({of: 3})};
  expect(plan(again, {observed: running})).toEqual({kind: 'quiet', stop: [{job: '3', try: 1, place: 'p'}], close: []});
  expect(plan(again, {observed: exited({})})).toMatchObject({kind: 'record', state: {of: 3}});
  expect(plan({...spec(), ...state({of: 3, status: 'FINISHED', tries_total: 4, tries: []})})).toMatchObject({
    kind: 'launch',
    isNew: true,
    state: {of: OF, tries_total: 0, tries: []},
  });
});

test('a lost state is put back from memory, else made of what the engines have under the same name', () => {
  for (const lost of [{}, {bad: new Map([['state', BAD]])}]) {
    const step = plan({...spec(), ...lost}, {remembered: aState()});
    expect(step).toMatchObject({kind: 'record', state: {status: 'RUNNING', tries: [{token_digest: 'd'}]}});
  }
  const found = [1, 3, 2].map((number): FoundTry => ({job: '7', try: number, place: 'p', seen: number === 3 ? running : exited({code: 1})}));
  expect(plan(spec(), {found})).toMatchObject({kind: 'record', state: {of: OF, tries_total: 3, tries: [{try: 3, place: 'p', token_digest: ''}]}});
});

test('what engines have besides the try of the state is ended before anything is launched', () => {
  const found: FoundTry[] = [
    {job: '3', try: 1, place: 'p', seen: running},
    {job: '3', try: 2, place: 'p', seen: {kind: 'absent'}},
    {job: '3', try: 3, place: 'p', seen: exited({})},
  ];
  expect(plan(spec(), {found})).toMatchObject({kind: 'quiet', stop: [{job: '3', try: 1}], close: [{job: '3', try: 2}]});
  expect(plan(spec(), {found: found.slice(2)})).toMatchObject({kind: 'launch'});
});

test('a damaged key leaves alone what runs, and nothing of it is judged', () => {
  const damaged = {bad: new Map([['spec', BAD]])};
  for (const observed of [running, exited({code: 1})]) expect(plan({...damaged, ...state()}, {observed})).toEqual({kind: 'wait'});
  expect(plan({...damaged, ...state({status: 'FINISHED', tries: []})})).toEqual({kind: 'resign'});
});

test('a chart is never touched, nor is its state; what ran before it was one is ended', () => {
  const chart = spec({type: 'helm', args: {}});
  const theirs = {status: 'RUNNING', tries_total: 0, failures: 0, tries: []} as const;
  expect(plan({...chart, state: entry(theirs, 8)})).toEqual({kind: 'resign'});
  expect(plan({...chart, bad: new Map([['state', BAD]])})).toEqual({kind: 'resign'});
  expect(plan({...chart, ...state()}, {observed: running})).toMatchObject({kind: 'quiet', stop: [{try: 1}]});
  expect(plan({...chart, ...state()}, {observed: exited({})})).toEqual({kind: 'remove'});
});

test('a status that says by hand that it is over ends what runs, and stays', () => {
  const over = {...spec(), ...state({status: 'CANCELLED', reason: 'by hand'})};
  expect(plan(over, {observed: running})).toMatchObject({kind: 'quiet', stop: [{try: 1}]});
  expect(plan(over, {observed: exited({reason: 'stopped'})})).toMatchObject({kind: 'finish', state: {status: 'CANCELLED', reason: 'by hand'}});
});

test('an error that no retry can mend ends what runs, then is the reason', () => {
  expect(plan({...spec(), ...state()}, {observed: running, doomed: 'no'})).toMatchObject({kind: 'quiet'});
  expect(plan(spec(), {doomed: 'no cluster is called x'})).toMatchObject({
    kind: 'finish',
    state: {status: 'FAILED', reason: 'no cluster is called x'},
  });
});

test('whoever leads a deployment resigns exactly when nobody has to lead it', () => {
  const specs = [{}, spec(), spec({args: {command: ['other']}}), spec({type: 'helm'}), {bad: new Map([['spec', BAD]])}];
  const ended = [aTry({exit: {code: 0, ended_at: ENDED_AT}})];
  const states = [{}, state(), state({of: 3}), ...(['PENDING', 'FINISHED', 'FAILED'] as const).map((status) => state({status, tries: ended}))];
  const others = [{state: entry({status: 'RUNNING', tries_total: 0, failures: 0, tries: []} as const, 8)}, {bad: new Map([['state', BAD]])}];
  for (const one of specs) {
    for (const other of [...states, ...others]) {
      const bad = new Map([...('bad' in one ? one.bad : []), ...('bad' in other ? other.bad : [])]);
      const record: DeployRecord = {id: 'd', ...one, ...other, ...(bad.size === 0 ? {} : {bad})};
      const step = plan(record, {observed: running});
      expect({record, resigns: step.kind === 'resign'}).toEqual({record, resigns: !needsDeployer(record)});
    }
  }
});

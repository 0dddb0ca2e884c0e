import {expect, test} from 'vitest';
import type {ApiPod, ContainerState, ContainerStatus} from '../../../src/engines/kubernetes/objects.ts';
import {readPodFacts} from '../../../src/engines/kubernetes/pod-facts.ts';
import {LOST_AFTER_MS, podOutcome} from '../../../src/engines/kubernetes/pod-outcome.ts';
import type {PodOutcome} from '../../../src/engines/kubernetes/pod-outcome.ts';
import {must} from '../../../src/lib/assert.ts';
import {isKilledReason, isTransientReason} from '../../../src/model/exit-reasons.ts';

const STARTED = '2026-01-01T00:00:00Z';
const NOW = Date.parse('2026-01-01T00:01:00Z');
const ENDED = '2026-01-01T00:00:50Z';
const PATIENCE_MS = 30_000;

type Status = NonNullable<ApiPod['status']>;

function main(state: ContainerState, name = 'main'): ContainerStatus {
  return {name, state};
}

function terminated(exitCode: number, reason: string, message?: string): ContainerState {
  return {terminated: {exitCode, reason, finishedAt: ENDED, ...(message === undefined ? {} : {message})}};
}

function waiting(reason: string, message = 'm'): Status {
  return {phase: 'Pending', startTime: STARTED, containerStatuses: [main({waiting: {reason, message}})]};
}

function failed(exitCode: number, reason = 'Error', more: Status = {}): Status {
  return {phase: 'Failed', startTime: STARTED, containerStatuses: [main(terminated(exitCode, reason))], ...more};
}

function outcome(status: Status, metadata: Partial<ApiPod['metadata']> = {}, nowMs = NOW): PodOutcome {
  const pod = readPodFacts({metadata: {name: 'p', labels: {'scanplane/record': 'r'}, ...metadata}, status});
  return podOutcome(must(pod, 'one of ours'), nowMs, PATIENCE_MS);
}

interface Expected {
  readonly code: number | null;
  readonly signal?: string;
  readonly reason?: string;
}

const noReason = {containerStatuses: [] as ContainerStatus[]};

test.each<readonly [string, Status, Expected, 'own' | 'transient' | 'none']>([
  ['success', {phase: 'Succeeded', containerStatuses: [main(terminated(0, 'Completed'))]}, {code: 0}, 'none'],
  ['an exit code', failed(3), {code: 3}, 'own'],
  ['the largest exit code', failed(255), {code: 255}, 'own'],
  ['SIGKILL', failed(137), {code: null, signal: 'SIGKILL'}, 'own'],
  ['SIGTERM', failed(143), {code: null, signal: 'SIGTERM'}, 'own'],
  ['OOMKilled', failed(137, 'OOMKilled'), {code: null, signal: 'SIGKILL', reason: 'OOMKilled: it used more memory than its limit'}, 'own'],
  [
    'StartError',
    {phase: 'Failed', containerStatuses: [main(terminated(128, 'StartError', 'exec: "x": not found'))]},
    {code: 128, reason: 'StartError: exec: "x": not found'},
    'own',
  ],
  [
    'ContainerCannotRun',
    {phase: 'Failed', containerStatuses: [main(terminated(127, 'ContainerCannotRun', 'no'))]},
    {code: 127, reason: 'StartError: no'},
    'own',
  ],
  ['ContainerStatusUnknown', failed(137, 'ContainerStatusUnknown'), {code: null, reason: 'its node was lost'}, 'transient'],
  ['Evicted', {phase: 'Failed', reason: 'Evicted', message: 'low on memory'}, {code: null, reason: 'Evicted: low on memory'}, 'transient'],
  [
    'Evicted, with its container killed',
    failed(137, 'Error', {phase: 'Failed', reason: 'Evicted', message: 'disk'}),
    {code: null, reason: 'Evicted: disk'},
    'transient',
  ],
  ['Preempting', failed(143, 'Error', {phase: 'Failed', reason: 'Preempting'}), {code: null, reason: 'Preempted'}, 'transient'],
  ['NodeShutdown', failed(143, 'Error', {phase: 'Failed', reason: 'NodeShutdown'}), {code: null, reason: 'its node was shut down'}, 'transient'],
  ['NodeLost', failed(143, 'Error', {phase: 'Failed', reason: 'NodeLost'}), {code: null, reason: 'its node was lost'}, 'transient'],
  ['DeadlineExceeded', failed(143, 'Error', {phase: 'Failed', reason: 'DeadlineExceeded'}), {code: null, reason: 'DeadlineExceeded'}, 'own'],
  [
    'what its node refused',
    {phase: 'Failed', reason: 'OutOfmemory', message: 'no room', ...noReason},
    {code: null, reason: 'not admitted by its node: OutOfmemory: no room'},
    'transient',
  ],
  [
    'a disruption that newer servers name',
    failed(143, 'Error', {phase: 'Failed', conditions: [{type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler'}]}),
    {code: null, reason: 'Preempted'},
    'transient',
  ],
  [
    'an init container that failed',
    {phase: 'Failed', initContainerStatuses: [{name: 'hand-over', state: terminated(2, 'Error')}], containerStatuses: [main({waiting: {}})]},
    {code: 2, reason: 'init container hand-over failed: exit code 2'},
    'own',
  ],
])('%s', (_what, status, expected, fault) => {
  const seen = outcome(status);
  expect(seen.kind).toBe('ended');
  const {endedMs, ...exit} = (seen as PodOutcome & {readonly kind: 'ended'}).exit;
  expect(exit).toEqual(expected);
  expect(endedMs).toBeLessThanOrEqual(NOW);
  expect(isTransientReason(exit.reason)).toBe(fault === 'transient');
  if (fault === 'transient') expect(exit.code).toBeNull();
});

test.each(['OOMKilled: it used more memory', 'Evicted: disk', 'StartError: exec', 'CrashLoopBackOff', 'timed out after 5 s', 'its node was lost'])(
  'a server that ended with %s is replaced by a rescan',
  (reason) => expect(isKilledReason(reason)).toBe(true),
);

test.each(['ErrImagePull: no such image', 'InvalidImageName', 'init container x failed: exit code 1', 'stopped', undefined])(
  'a server that ended with %s is not',
  (reason) => expect(isKilledReason(reason)).toBe(false),
);

test.each(['ErrImagePull', 'ImagePullBackOff', 'RegistryUnavailable'])('%s may pass, and is final when patience is over', (reason) => {
  const early = Date.parse(STARTED) + PATIENCE_MS;
  expect(outcome(waiting(reason), {}, early)).toEqual({kind: 'waiting', text: 'ErrImagePull: m'});
  expect(outcome(waiting(reason), {}, early + 1)).toEqual({kind: 'waiting', text: 'ErrImagePull: m', hopeless: 'ErrImagePull: m'});
});

test.each(['CreateContainerConfigError', 'CrashLoopBackOff'])('%s may pass, and is final when patience is over', (reason) => {
  expect(outcome(waiting(reason), {}, Date.parse(STARTED))).not.toHaveProperty('hopeless');
  expect(outcome(waiting(reason))).toHaveProperty('hopeless', `${reason}: m`);
});

test.each(['InvalidImageName', 'ErrImageNeverPull'])('%s is final at once', (reason) => {
  expect(outcome(waiting(reason), {}, Date.parse(STARTED))).toHaveProperty('hopeless', `${reason}: m`);
});

test('patience begins when a node has taken the pod, however long it waited for one', () => {
  const status: Status = {phase: 'Pending', containerStatuses: [main({waiting: {reason: 'ErrImagePull'}})]};
  expect(outcome(status, {creationTimestamp: '2025-01-01T00:00:00Z'})).not.toHaveProperty('hopeless');
});

test('a pod that no node has room for waits for ever, and says why', () => {
  const conditions = [{type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available'}];
  const seen = outcome({phase: 'Pending', conditions}, {}, NOW + 30 * 24 * 3600 * 1000);
  expect(seen).toEqual({kind: 'waiting', text: 'waits for a node: 0/3 nodes are available'});
});

test.each(['ContainerCreating', 'PodInitializing', 'SomethingNew'])('%s is an ordinary wait', (reason) => {
  expect(outcome(waiting(reason))).toEqual({kind: 'waiting', text: 'its containers are being made'});
});

test('a pod runs when its container does, or one that prepares it', () => {
  expect(outcome({phase: 'Running', containerStatuses: [main({running: {}})]})).toEqual({kind: 'running'});
  const initContainerStatuses = [{name: 'init', state: {running: {}}}];
  expect(outcome({phase: 'Pending', initContainerStatuses, containerStatuses: [main({waiting: {reason: 'PodInitializing'}})]})).toEqual({
    kind: 'running',
  });
});

test('a pod whose main container has ended is leaving while others run', () => {
  const containerStatuses = [main(terminated(0, 'Completed')), main({running: {}}, 'sidecar')];
  expect(outcome({phase: 'Running', containerStatuses})).toMatchObject({kind: 'leaving', exit: {code: 0}});
});

test('a pod that was told to go runs until its node confirms that nothing of it does', () => {
  const going = {deletionTimestamp: '2026-01-01T00:00:55Z', deletionGracePeriodSeconds: 30};
  const status = {phase: 'Running', containerStatuses: [main({running: {}})]};
  expect(outcome(status, going)).toEqual({kind: 'running'});
  const ended = {phase: 'Running', containerStatuses: [main(terminated(7, 'Error'))]};
  expect(outcome(ended, {...going, deletionGracePeriodSeconds: 0})).toMatchObject({kind: 'ended', exit: {code: 7}});
});

test('a pod that nobody confirms long after it should have gone is lost with its node', () => {
  const going = {deletionTimestamp: STARTED, deletionGracePeriodSeconds: 30};
  const status = {phase: 'Running', containerStatuses: [main({running: {}})]};
  expect(outcome(status, going, Date.parse(STARTED) + LOST_AFTER_MS)).toEqual({kind: 'running'});
  const after = outcome(status, going, Date.parse(STARTED) + LOST_AFTER_MS + 1);
  expect(after).toMatchObject({kind: 'ended', exit: {code: null, reason: 'its node was lost'}});
});

test('a pod that was removed by force is lost if it ran, and was deleted if it never did', () => {
  const gone = {deletionTimestamp: STARTED, deletionGracePeriodSeconds: 0};
  expect(outcome({phase: 'Running', containerStatuses: [main({running: {}})]}, gone)).toMatchObject({exit: {reason: 'its node was lost'}});
  expect(outcome({phase: 'Pending'}, gone)).toMatchObject({exit: {code: null, reason: 'its pod was deleted'}});
});

test('a pod that could never begin is not waited for when it was told to go', () => {
  const going = {deletionTimestamp: STARTED, deletionGracePeriodSeconds: 30};
  expect(outcome(waiting('ImagePullBackOff'), going)).toMatchObject({kind: 'ended', exit: {code: null}});
  expect(outcome(waiting('ContainerCreating'), going, Date.parse(STARTED) + 1000)).toMatchObject({kind: 'waiting'});
});

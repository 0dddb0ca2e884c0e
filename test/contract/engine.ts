import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {DOCUMENT_BYTES} from '../../src/engines/engine.ts';
import type {Engine, JobObservation, JobRef, JobSpec} from '../../src/engines/engine.ts';
import {must} from '../../src/lib/assert.ts';
import {hasCode} from '../../src/lib/errors.ts';
import type {JobExit} from '../../src/schema/job.ts';
import {eventually} from '../support/eventually.ts';

/** What the suite needs of an implementation: two engines of the same place, as two replicas would have them. */
export interface EnginesUnderTest {
  readonly engine: Engine;
  readonly sibling: Engine;
  /** Ends everything that a test may have left running. */
  dispose(): Promise<void>;
}

/** What an engine can, of what not every engine can. */
export interface EngineTraits {
  /** Jobs have files: a document on standard input, what they say of themselves. */
  readonly hasFiles: boolean;
  /** Standard error is kept apart from standard output. */
  readonly hasTwoStreams: boolean;
  /** Processes of a job know which of them they are. */
  readonly hasIndexes: boolean;
  /** A job that nobody renews ends. */
  readonly hasOrphans: boolean;
  /** A process may kill itself: it is not the first one of a container, which cannot. */
  readonly canKillItself: boolean;
  /** How a process ended is always known. A kubelet may remove a container that it killed before it has said how that ended. */
  readonly knowsEveryEnd: boolean;
  /** It runs jobs of any database that asks. */
  readonly isShared: boolean;
  /** The shortest time-out that a job which begins at once has time to notice, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a job that ends at once may take to end, in milliseconds. */
  readonly endsWithinMs: number;
}

const PROCESSES: EngineTraits = {
  ...{hasFiles: true, hasTwoStreams: true, hasIndexes: true, hasOrphans: true, canKillItself: true, knowsEveryEnd: true, isShared: true},
  ...{timeoutMs: 300, endsWithinMs: 10_000},
};

/** Why an engine without it skips a test. */
const WITHOUT = {
  hasFiles: 'its jobs have no files that it reads',
  hasIndexes: 'its processes have no numbers',
  canKillItself: 'the first process of a container cannot',
  hasOrphans: 'its jobs need no owner',
} as const;

const FENCE = {epoch: 1, revision: 100} as const;
let lastScan = 0;

/** A scan id that no other test of this process uses. */
export function nextScanId(): string {
  return `scan-${++lastScan}`;
}

/** A job with small limits: a shell that exits at once unless `command` says otherwise. */
export function aJob(changes: Partial<JobSpec> = {}): JobSpec {
  return {
    ref: {scanId: nextScanId(), job: 'server', try: 1},
    fence: FENCE,
    clusterId: 'c1',
    command: ['/bin/sh', '-c', 'exit 0'],
    env: [],
    count: 1,
    outputLimitBytes: 10_000,
    stopGraceMs: 3000,
    orphanAfterMs: 60_000,
    ...changes,
  };
}

/** A shell command line as a job. */
export function aShellJob(script: string, changes: Partial<JobSpec> = {}): JobSpec {
  return aJob({command: ['/bin/sh', '-c', script], ...changes});
}

type Exited = JobObservation & {readonly kind: 'exited'};

export function untilExited(engine: Engine, ref: JobRef, timeoutMs = 10_000): Promise<Exited> {
  return eventually(
    async () => {
      const seen = await engine.observe(ref, engine.place);
      return seen.kind === 'exited' && seen;
    },
    {timeoutMs},
  ) as Promise<Exited>;
}

export function untilOutput(engine: Engine, ref: JobRef, text: string | RegExp, index = 0, timeoutMs = 10_000): Promise<string> {
  return eventually(
    async () => {
      const output = await engine.output(ref, engine.place, index, 'stdout');
      expect(output).toMatch(text);
      return output;
    },
    {timeoutMs},
  );
}

/** What the controllers rely on, whatever runs the jobs. */
export function describeEngine(name: string, make: () => Promise<EnginesUnderTest>, traits: EngineTraits = PROCESSES): void {
  describe(`${name}: engine contract`, () => {
    let under: EnginesUnderTest;
    let engine: Engine;
    let sibling: Engine;
    const without = (trait: keyof typeof WITHOUT): string => (traits[trait] ? '' : ` (not of this engine: ${WITHOUT[trait]})`);
    const expectKilled = (exit: JobExit, reason: string): void => {
      expect(exit).toMatchObject({code: null, reason});
      if (traits.knowsEveryEnd || exit.signal !== undefined) expect(exit.signal).toBe('SIGKILL');
    };
    const ended = (by: Engine, ref: JobRef): Promise<Exited> => untilExited(by, ref, traits.endsWithinMs);
    const printed = (by: Engine, ref: JobRef, text: string): Promise<string> => untilOutput(by, ref, text, 0, traits.endsWithinMs);

    beforeAll(async () => {
      under = await make();
      ({engine, sibling} = under);
    });
    afterAll(() => under.dispose());

    test('both engines name the same place', () => {
      expect(engine.place).not.toBe('');
      expect(sibling.place).toBe(engine.place);
    });

    test('a try that nobody asked for is absent', async () => {
      expect(await engine.observe(aJob().ref, engine.place)).toEqual({kind: 'absent'});
    });

    test('a job runs, and its exit code, times and output can be read by any replica', async () => {
      const job = aShellJob('echo out; echo err >&2; exit 3');
      const first = await engine.ensure(job);
      expect(['running', 'exited']).toContain(first.kind);
      const {exit, handle} = await ended(sibling, job.ref);
      expect(exit.code).toBe(3);
      expect(exit.signal).toBeUndefined();
      expect(Math.abs(Date.parse(exit.ended_at) - Date.now())).toBeLessThan(20_000);
      expect(handle).toBe((first as Exited).handle);
      const output = (stream: 'stdout' | 'stderr'): Promise<string> => sibling.output(job.ref, engine.place, 0, stream);
      const [out, err] = [await output('stdout'), await output('stderr')];
      if (traits.hasTwoStreams) expect([out, err]).toEqual(['out\n', 'err\n']);
      else expect([out.split('\n').sort(), err]).toEqual([['', 'err', 'out'], '']);
    });

    test('success is code 0 without a reason', async () => {
      const job = aJob();
      await engine.ensure(job);
      const {exit} = await ended(engine, job.ref);
      expect(exit).toEqual({code: 0, ended_at: exit.ended_at});
    });

    test('a running job is seen running by every replica, since the same time', async () => {
      const job = aShellJob('sleep 600');
      const seen = await engine.ensure(job);
      expect(seen.kind).toBe('running');
      expect(await sibling.observe(job.ref, engine.place)).toEqual(seen);
      expect(Math.abs(Date.parse((seen as {startedAt: string}).startedAt) - Date.now())).toBeLessThan(20_000);
      await engine.stop(job.ref, engine.place);
      await ended(engine, job.ref);
    });

    test('ensuring again launches nothing, neither while it runs nor after it ended', async () => {
      const job = aShellJob('echo once; read x < gate', {ref: {scanId: nextScanId(), job: 'j', try: 1}});
      const gated = {...job, command: ['/bin/sh', '-c', 'echo once; while [ ! -e gate ]; do sleep 0.02; done']};
      await engine.ensure(gated);
      expect((await sibling.ensure(gated)).kind).toBe('running');
      const opener = aShellJob('touch gate', {ref: {scanId: job.ref.scanId, job: 'opener', try: 1}});
      await engine.ensure(opener);
      await ended(engine, job.ref);
      expect((await sibling.ensure(gated)).kind).toBe('exited');
      expect(await engine.output(job.ref, engine.place, 0, 'stdout')).toBe('once\n');
    });

    test('many replicas that ensure the same try at once get one launch', async () => {
      const job = aShellJob('echo $$ >> launches; sleep 600');
      const seen = await Promise.all([engine, sibling, engine, sibling, engine, sibling].map((one) => one.ensure(job)));
      expect(new Set(seen.map((one) => JSON.stringify(one))).size).toBe(1);
      expect(seen[0]?.kind).toBe('running');
      const counter = aShellJob('while [ ! -s launches ]; do sleep 0.02; done; wc -l < launches', {ref: {...job.ref, job: 'counter'}});
      await engine.ensure(counter);
      await ended(engine, counter.ref);
      expect((await engine.output(counter.ref, engine.place, 0, 'stdout')).trim()).toBe('1');
      await engine.stop(job.ref, engine.place);
      await ended(engine, job.ref);
    });

    test.runIf(traits.hasIndexes)(`a job of several processes numbers them, and ends when all have ended${without('hasIndexes')}`, async () => {
      const job = aShellJob('echo I am $SCANPLANE_PROCESS_INDEX; exit $SCANPLANE_PROCESS_INDEX', {count: 3});
      await engine.ensure(job);
      const {exit} = await ended(engine, job.ref);
      expect([1, 2]).toContain(exit.code);
      for (const index of [0, 1, 2]) expect(await engine.output(job.ref, engine.place, index, 'stdout')).toBe(`I am ${index}\n`);
    });

    test('jobs of a scan share a folder; other scans have another', async () => {
      const writer = aShellJob('echo shared > "$SCANPLANE_JOB_DIRECTORY/file"');
      await engine.ensure(writer);
      await ended(engine, writer.ref);
      const reader = aShellJob('cat file', {ref: {...writer.ref, job: 'workers', try: 2}});
      await engine.ensure(reader);
      await ended(engine, reader.ref);
      expect(await engine.output(reader.ref, engine.place, 0, 'stdout')).toBe('shared\n');
      const stranger = aShellJob('cat file');
      await engine.ensure(stranger);
      expect((await ended(engine, stranger.ref)).exit.code).toBe(1);
    });

    test('a command that does not exist ends the try with a reason that names it', async () => {
      const job = aJob({command: ['no-such-command-anywhere', 'x'], count: 2});
      await engine.ensure(job);
      const {exit} = await ended(engine, job.ref);
      expect(exit.code).not.toBe(0);
      expect(exit.reason).toContain('no-such-command-anywhere');
    });

    test.runIf(traits.canKillItself)(`a job killed by a signal has no code, but the signal${without('canKillItself')}`, async () => {
      const job = aShellJob('kill -9 $$');
      await engine.ensure(job);
      const {exit} = await ended(engine, job.ref);
      expect(exit).toMatchObject({code: null, signal: 'SIGKILL'});
    });

    test('stop lets a job end in its own way, and says that it was stopped', async () => {
      const job = aShellJob('trap "echo bye; exit 7" TERM; echo ready; while :; do sleep 0.05; done');
      await engine.ensure(job);
      await printed(engine, job.ref, 'ready');
      await sibling.stop(job.ref, engine.place);
      const {exit} = await ended(engine, job.ref);
      expect(exit).toMatchObject({code: 7, reason: 'stopped'});
      expect(await engine.output(job.ref, engine.place, 0, 'stdout')).toContain('bye');
    });

    test('a job that ignores SIGTERM is killed after its grace, and not before', async () => {
      const job = aShellJob('trap "" TERM; echo ready; while :; do sleep 0.05; done', {stopGraceMs: 400});
      await engine.ensure(job);
      await printed(engine, job.ref, 'ready');
      const askedAt = performance.now();
      await engine.stop(job.ref, engine.place);
      await engine.stop(job.ref, engine.place);
      const {exit} = await ended(engine, job.ref);
      expect(performance.now() - askedAt).toBeGreaterThanOrEqual(390);
      expectKilled(exit, 'stopped');
    });

    test('a job that runs for longer than it may is asked to end, killed after its grace, and the reason says why', async () => {
      const {timeoutMs} = traits;
      const reason = `timed out after ${timeoutMs / 1000} s`;
      const polite = aShellJob('trap "exit 7" TERM; while :; do sleep 0.05; done', {timeoutMs});
      const stubborn = aShellJob('trap "" TERM; while :; do sleep 0.05; done', {timeoutMs, stopGraceMs: 200});
      const quick = aShellJob('exit 0', {timeoutMs: 30_000});
      const longest = aShellJob('exit 0', {timeoutMs: Number.MAX_SAFE_INTEGER});
      await Promise.all([polite, stubborn, quick, longest].map((job) => engine.ensure(job)));
      expect((await ended(engine, polite.ref)).exit).toMatchObject({code: 7, reason});
      expectKilled((await ended(engine, stubborn.ref)).exit, reason);
      for (const job of [quick, longest]) expect((await ended(engine, job.ref)).exit).not.toHaveProperty('reason');
    });

    test.runIf(traits.hasFiles)(`every process gets the document on standard input and as a file${without('hasFiles')}`, async () => {
      const document = JSON.stringify({args: {text: `${'ä\n'.repeat(20_000)}$(exit 3)`}});
      const job = aShellJob('cat; echo; cat "$SCANPLANE_JOB_FILE"', {document, count: 2, outputLimitBytes: 1_000_000});
      await engine.ensure(job);
      expect((await ended(engine, job.ref)).exit.code).toBe(0);
      for (const index of [0, 1]) expect(await sibling.output(job.ref, engine.place, index, 'stdout')).toBe(`${document}\n${document}`);
    });

    test('a job without a document has an empty standard input, and says nothing', async () => {
      const job = aShellJob('cat; env');
      await engine.ensure(job);
      await ended(engine, job.ref);
      expect(await engine.output(job.ref, engine.place, 0, 'stdout')).not.toContain('SCANPLANE_JOB_FILE');
      const {pods: _pods, ...said} = await engine.said(job.ref, engine.place); // Of pods the engine tells, not the job.
      expect(said).toEqual({});
    });

    test.runIf(traits.hasFiles)(
      `a running job says its status and its endpoint, an ended one also its data and its outcome, to every replica${without('hasFiles')}`,
      async () => {
        const script = `
        echo '{"a": {"b": [1, null]}}' > "$SCANPLANE_DATA_FILE"
        echo '{"state": "COMPLETE", "exit": 9223372036854775807, "error": "odd"}' | sed 's/\\([0-9]\\{19\\}\\)/"\\1"/' > "$SCANPLANE_OUTCOME_FILE"
        echo http://127.0.0.1:1 > "$SCANPLANE_ENDPOINT_FILE"
        printf 'half\\tway\\033[2J\\n' > "$SCANPLANE_STATUS_FILE"
        while [ ! -e go ]; do sleep 0.02; done; echo done > "$SCANPLANE_STATUS_FILE"; exit 3`;
        const job = aShellJob(script, {document: '{}'});
        await engine.ensure(job);
        const running = await eventually(async () => {
          const said = await sibling.said(job.ref, engine.place);
          expect(said.status).toBe('half way [2J');
          return said;
        });
        expect(running).toEqual({status: 'half way [2J', endpoint: 'http://127.0.0.1:1'});
        const opener = aShellJob('touch go', {ref: {...job.ref, job: 'opener'}});
        await engine.ensure(opener);
        expect((await ended(engine, job.ref)).exit.code).toBe(3);
        expect(await sibling.said(job.ref, engine.place)).toEqual({
          status: 'done',
          endpoint: 'http://127.0.0.1:1',
          data: {a: {b: [1, null]}},
          outcome: {state: 'COMPLETE', exit: '9223372036854775807', error: 'odd'},
        });
        expect(await sibling.said(job.ref, 'elsewhere')).toEqual({});
      },
    );

    test.runIf(traits.hasFiles)(`of several processes the first one speaks${without('hasFiles')}`, async () => {
      const job = aShellJob('echo "I am $SCANPLANE_PROCESS_INDEX" > "${SCANPLANE_STATUS_FILE:-/dev/null}"', {document: '{}', count: 3});
      await engine.ensure(job);
      await ended(engine, job.ref);
      expect(await engine.said(job.ref, engine.place)).toEqual({status: 'I am 0'});
    });

    (traits.hasFiles ? test : test.skip).each([
      ['no JSON', 'echo "{" > $F', 'it is not JSON'],
      ['a list', 'echo "[]" > $F', 'it is no JSON object'],
      ['nothing', ': > $F', 'it is not JSON'],
      ['a prototype', `echo '{"a": {"__proto__": {"x": 1}}}' > $F`, 'a has a member __proto__'],
      [
        'a deep nest',
        `printf '{"a":' > $F; head -c 100000 /dev/zero | tr '\\0' '[' >> $F; head -c 100000 /dev/zero | tr '\\0' ']' >> $F; echo '}' >> $F`,
        'it is nested more than 64 levels deep',
      ],
      ['1 GB', 'truncate -s 1G $F', 'it is larger than 262144 bytes'],
      ['a pipe', 'mkfifo $F', 'it is no regular file'],
      ['a link', 'echo "{}" > target; ln -s $PWD/target $F', 'it is no regular file'],
      ['a folder', 'mkdir $F', 'it is no regular file'],
    ])(`data that are %s are a problem with a reason, and nothing is read of them${without('hasFiles')}`, async (_what, script, reason) => {
      const job = aShellJob(`F=$SCANPLANE_DATA_FILE; ${script}; echo on > $SCANPLANE_STATUS_FILE; exit 0`, {document: '{}'});
      await engine.ensure(job);
      await ended(engine, job.ref);
      expect(await engine.said(job.ref, engine.place)).toEqual({status: 'on', problem: `the data that it left cannot be used: ${reason}`});
    });

    (traits.hasFiles ? test : test.skip).each([
      ['{"state": "RUNNING"}', {state: 'FAIL', exit: '1', error: 'it ended in state "RUNNING", which is no state to end in'}],
      ['{"state": 5, "error": "e"}', {state: 'FAIL', exit: '1', error: 'it ended in state 5, which is no state to end in: e'}],
      ['{}', {state: 'FAIL', exit: '1', error: 'it ended in no state, which is no state to end in'}],
      ['{"state": 3}', {state: 'COMPLETE', exit: '0', error: ''}],
      ['{"state": "STOPPED", "exit": -1}', {state: 'STOPPED', exit: '-1', error: ''}],
      ['{"state": "COMPLETE", "exit": "99999999999999999999"}', {state: 'FAIL', exit: '1', error: 'its exit code is no 64-bit integer'}],
    ])(`the outcome %s${without('hasFiles')}`, async (text, outcome) => {
      const job = aShellJob(`echo '${text}' > $SCANPLANE_OUTCOME_FILE`, {document: '{}'});
      await engine.ensure(job);
      await ended(engine, job.ref);
      expect(await engine.said(job.ref, engine.place)).toEqual({outcome});
    });

    test.runIf(traits.hasFiles)(`a status of any length is cut${without('hasFiles')}`, async () => {
      const job = aShellJob(`head -c 1000000 /dev/zero | tr '\\0' s > $SCANPLANE_STATUS_FILE`, {document: '{}'});
      await engine.ensure(job);
      await ended(engine, job.ref);
      expect(await engine.said(job.ref, engine.place)).toEqual({status: 's'.repeat(4096)});
    });

    test('a document that is too large is refused before anything begins', async () => {
      const job = aJob({document: 'x'.repeat(DOCUMENT_BYTES + 1)});
      expect(hasCode(await engine.ensure(job).catch((err: unknown) => err), 'too_large')).toBe(true);
      expect((await engine.observe(job.ref, engine.place)).kind).toBe('absent');
    });

    test('stopping what has ended changes nothing', async () => {
      const job = aJob();
      await engine.ensure(job);
      const before = await ended(engine, job.ref);
      await engine.stop(job.ref, engine.place);
      expect(await engine.observe(job.ref, engine.place)).toEqual(before);
    });

    test('a try that was stopped before it was asked for never begins', async () => {
      const job = aShellJob('touch began');
      await engine.stop(job.ref, engine.place);
      expect((await sibling.ensure(job)).kind).toBe('closed');
      expect((await engine.observe(job.ref, engine.place)).kind).toBe('closed');
    });

    test('a closed try never begins', async () => {
      const job = aShellJob('touch began');
      expect(await engine.close(job.ref, engine.place, FENCE)).toEqual({kind: 'closed'});
      expect(await engine.close(job.ref, engine.place, FENCE)).toEqual({kind: 'closed'});
      expect(await sibling.ensure(job)).toEqual({kind: 'closed'});
      expect(await sibling.observe(job.ref, engine.place)).toEqual({kind: 'closed'});
    });

    test('closing a try that has begun says what became of it', async () => {
      const job = aShellJob('sleep 600');
      const running = await engine.ensure(job);
      expect(await sibling.close(job.ref, engine.place, FENCE)).toEqual(running);
      await engine.stop(job.ref, engine.place);
      const exited = await ended(engine, job.ref);
      expect(await sibling.close(job.ref, engine.place, FENCE)).toEqual(exited);
    });

    test('an older fence is refused once a newer one was seen; epochs count before revisions', async () => {
      const job = aJob({fence: {epoch: 2, revision: 5}});
      await engine.ensure(job);
      await ended(engine, job.ref);
      for (const fence of [
        {epoch: 2, revision: 4},
        {epoch: 1, revision: 999},
      ]) {
        const refused = await sibling.ensure({...job, fence}).catch((err: unknown) => err);
        expect(hasCode(refused, 'not_owner')).toBe(true);
      }
      expect((await sibling.ensure({...job, fence: {epoch: 2, revision: 10}})).kind).toBe('exited');
      // 10 is newer than 9 as a number, older as text.
      expect(hasCode(await engine.ensure({...job, fence: {epoch: 2, revision: 9}}).catch((err: unknown) => err), 'not_owner')).toBe(true);
    });

    test('a try that a newer owner closed refuses the former owner', async () => {
      const job = aShellJob('touch began');
      await sibling.close(job.ref, engine.place, {epoch: 1, revision: 200});
      expect(hasCode(await engine.ensure(job).catch((err: unknown) => err), 'not_owner')).toBe(true);
      expect(hasCode(await engine.close(job.ref, engine.place, FENCE).catch((err: unknown) => err), 'not_owner')).toBe(true);
    });

    test('a try asked for in another place is foreign, whatever one does', async () => {
      const job = aJob();
      await engine.ensure(job);
      expect(await engine.observe(job.ref, 'elsewhere')).toEqual({kind: 'foreign'});
      expect(await engine.close(job.ref, 'elsewhere', FENCE)).toEqual({kind: 'foreign'});
      await engine.stop(job.ref, 'elsewhere');
      expect((await ended(engine, job.ref)).exit).toMatchObject({code: 0});
    });

    test('long output is cut in the middle, with a word about it', async () => {
      const script = 'echo FIRST; i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done; echo LAST';
      const job = aShellJob(script, {outputLimitBytes: 1000});
      await engine.ensure(job);
      await ended(engine, job.ref);
      const output = await engine.output(job.ref, engine.place, 0, 'stdout');
      expect(output).toMatch(/^FIRST\n[^]*LAST\n$/);
      expect(output.length).toBeLessThan(1100);
      const dropped = Number(/\[(\d+) bytes dropped here\]/.exec(output)?.[1]);
      const total = 'FIRST\nLAST\n'.length + Array.from({length: 2000}, (_, i) => `line ${i}\n`).join('').length;
      expect(dropped).toBe(total - 1000);
    });

    test.runIf(traits.hasOrphans)(`a job that nobody renews ends; one that is renewed does not${without('hasOrphans')}`, async () => {
      const orphan = aShellJob('sleep 600', {orphanAfterMs: 600});
      const kept = aShellJob('sleep 600', {orphanAfterMs: 600});
      await Promise.all([engine.ensure(orphan), engine.ensure(kept)]);
      const {exit} = await eventually(
        async () => {
          await sibling.renew([kept.ref, aJob().ref]);
          const seen = await engine.observe(orphan.ref, engine.place);
          return seen.kind === 'exited' && seen;
        },
        {timeoutMs: 10_000, everyMs: 50},
      ).then((seen) => seen as Exited);
      expect(exit.reason).toMatch(/^orphaned: no controller renewed it for/);
      expect((await engine.observe(kept.ref, engine.place)).kind).toBe('running');
      expect((await ended(engine, kept.ref)).exit.reason).toMatch(/^orphaned/);
    });

    test('every replica hears about a launch and about an end', async () => {
      const heard: {readonly by: string; readonly ref: JobRef}[] = [];
      const listening = new AbortController();
      engine.onChange((ref) => heard.push({by: 'engine', ref}), listening.signal);
      sibling.onChange((ref) => heard.push({by: 'sibling', ref}), listening.signal);
      const job = aShellJob('sleep 600', {ref: {scanId: `${nextScanId()}.with.dots`, job: 'a-b_c.d', try: 7}});
      await engine.ensure(job);
      const hearBoth = (): void => {
        for (const by of ['engine', 'sibling']) expect(heard).toContainEqual({by, ref: job.ref});
      };
      await eventually(hearBoth);
      heard.length = 0;
      await engine.stop(job.ref, engine.place);
      await eventually(hearBoth);
      await ended(engine, job.ref);
      listening.abort();
    });

    test('a scan whose job runs cannot be forgotten; one whose jobs have ended can', async () => {
      const job = aShellJob('echo kept; sleep 600');
      await engine.ensure(job);
      await printed(engine, job.ref, 'kept');
      expect(hasCode(await sibling.forget(job.ref.scanId).catch((err: unknown) => err), 'wrong_state')).toBe(true);
      expect((await engine.observe(job.ref, engine.place)).kind).toBe('running');
      await engine.stop(job.ref, engine.place);
      await ended(engine, job.ref);
      await sibling.forget(job.ref.scanId);
      await sibling.forget(job.ref.scanId);
      expect((await engine.observe(job.ref, engine.place)).kind).not.toBe('exited');
      expect(await engine.output(job.ref, engine.place, 0, 'stdout')).toBe('');
    });

    test('a launch that was decided before its scan was forgotten and comes after it starts nothing; a new scan of that id does', async () => {
      const job = aShellJob('sleep 600');
      await engine.close(job.ref, engine.place, {epoch: 1, revision: 300});
      await engine.forget(job.ref.scanId);
      const late = await sibling.ensure({...job, fence: {epoch: 1, revision: 300}});
      expect(late.kind).toBe('closed');
      const anew = await sibling.ensure({...job, fence: {epoch: 1, revision: 400}});
      expect(anew.kind).toBe('running');
      await engine.stop(job.ref, engine.place);
      await ended(engine, job.ref);
    });

    test('the tries of a scan are listed with their fences, but those that another database launched', async () => {
      const scanId = nextScanId();
      expect(await engine.tries(scanId, 'c1')).toEqual([]);
      const ref = (job: string, number: number): JobRef => ({scanId, job, try: number});
      await engine.ensure(aJob({ref: ref('a', 1)}));
      await engine.close(ref('a', 2), engine.place, FENCE);
      const foreign = aJob({ref: ref('b', 1), clusterId: 'c2'});
      if (traits.isShared) await engine.ensure(foreign);
      else expect(hasCode(await engine.ensure(foreign).catch((err: unknown) => err), 'invalid')).toBe(true);
      const listed = await sibling.tries(scanId, 'c1');
      expect(listed.toSorted((x, y) => x.try - y.try)).toEqual([1, 2].map((number) => ({...ref('a', number), fence: FENCE})));
      await ended(engine, ref('a', 1));
      if (traits.isShared) await ended(engine, ref('b', 1));
    });

    test('names that are no file names, and specs that cannot be run, are refused', async () => {
      for (const scanId of ['..', '.', 'a/b', '', 'x'.repeat(129)]) {
        const refused = await engine.ensure(aJob({ref: {scanId, job: 'j', try: 1}})).catch((err: unknown) => err);
        expect({scanId, isInvalid: hasCode(refused, 'invalid')}).toEqual({scanId, isInvalid: true});
      }
      const bad: readonly Partial<JobSpec>[] = [
        {command: []},
        {command: ['a\0b']},
        {env: [['A=B', 'x']]},
        {env: [['', 'x']]},
        {env: [['A', 'secret\0']]},
        {count: 0},
        {timeoutMs: 0},
        {timeoutMs: NaN},
      ];
      for (const changes of bad) {
        const job = aJob(changes);
        const refused = await engine.ensure(job).catch((err: unknown) => err);
        expect(hasCode(refused, 'invalid')).toBe(true);
        expect(String(refused)).not.toContain('secret');
        expect((await engine.observe(job.ref, engine.place)).kind).toBe('absent');
      }
      expect(must(bad.length, 'cases')).toBeGreaterThan(0);
    });
  });
}

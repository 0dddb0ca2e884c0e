import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync, readdirSync, statSync, writeFileSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {JobObservation, JobRef, JobSpec} from '../../src/engines/engine.ts';
import {endLeftovers} from '../../src/engines/process/leftovers.ts';
import {openProcessEngine} from '../../src/engines/process/process-engine.ts';
import type {ProcessEngine} from '../../src/engines/process/process-engine.ts';
import {findMembers, identify, isAlive, signalProcess} from '../../src/engines/process/processes.ts';
import {MARKERS, RunDirectory, nameOf} from '../../src/engines/process/run-directory.ts';
import type {LaunchRequest} from '../../src/engines/process/run-directory.ts';
import {must} from '../../src/lib/assert.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {hasCode} from '../../src/lib/errors.ts';
import {silentLog} from '../../src/lib/log.ts';
import {aJob, aShellJob, describeEngine, nextScanId, untilExited, untilOutput} from '../contract/engine.ts';
import {eventually} from '../support/eventually.ts';

const BASE_ENV = {PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8'};

function openEngine(root: string): ProcessEngine {
  return openProcessEngine({root, baseEnv: BASE_ENV, log: silentLog, clock: systemClock});
}

async function makeRoot(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'scanplane-run-'));
}

async function removeRoot(root: string): Promise<void> {
  await endLeftovers(root);
  await rm(root, {recursive: true, force: true});
}

describeEngine('process', async () => {
  const root = await makeRoot();
  return {engine: openEngine(root), sibling: openEngine(root), dispose: () => removeRoot(root)};
});

describe('process engine', () => {
  let root: string;
  let engine: ProcessEngine;
  let sibling: ProcessEngine;
  let directory: RunDirectory;
  const started: ChildProcess[] = [];

  beforeAll(async () => {
    root = await makeRoot();
    engine = openEngine(root);
    sibling = openEngine(root);
    directory = new RunDirectory(root, readFileSync(join(root, 'id'), 'utf8').trim());
  });
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL');
    await removeRoot(root);
  });

  /** Starts a controller that ensures `job` at `atMs` since 1970. */
  function startController(job: JobSpec, atMs = 0): {readonly child: ChildProcess; readonly seen: Promise<JobObservation>} {
    const script = fileURLToPath(new URL('./controller-process.ts', import.meta.url));
    const child = spawn(process.execPath, [script, JSON.stringify({root, job, atMs})], {
      detached: true, // a process group of its own, as a shell gives it
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {PATH: BASE_ENV.PATH},
    });
    started.push(child);
    const lines = createInterface({input: must(child.stdout, 'stdout is a pipe')});
    return {child, seen: once(lines, 'line').then(([line]) => JSON.parse(String(line)) as JobObservation)};
  }

  /** Starts a supervisor by hand, as an engine would, and returns it before it was told anything. */
  function startSupervisor(job: JobSpec): {readonly child: ChildProcess; tell(part?: (text: string) => string): Promise<string>} {
    const script = fileURLToPath(new URL('../../src/engines/process/supervisor.ts', import.meta.url));
    const child = spawn(process.execPath, [script, nameOf(job.ref)], {stdio: ['pipe', 'pipe', 'inherit'], env: {}});
    started.push(child);
    const request: LaunchRequest = {...job, root, id: directory.id};
    return {
      child,
      tell: async (part = (text) => text) => {
        let output = '';
        child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
        child.stdin?.end(part(`${JSON.stringify(request)}\n`));
        await once(child, 'close');
        return output;
      },
    };
  }

  function supervisorPid(ref: JobRef): number {
    const claim = must(directory.claim(ref), 'claimed');
    if (claim.kind !== 'launch') throw new Error('not launched');
    return claim.supervisor.pid;
  }

  /** Process ids that the job wrote, one a line, into a file of its shared folder. */
  function pidsIn(ref: JobRef, file = 'pids'): readonly number[] {
    return readFileSync(join(directory.shared(ref.scanId), file), 'utf8')
      .trim()
      .split('\n')
      .map(Number);
  }

  async function untilPids(ref: JobRef, count: number): Promise<readonly number[]> {
    return eventually(() => {
      const pids = pidsIn(ref);
      expect(pids).toHaveLength(count);
      return pids;
    });
  }

  function isRunning(pid: number): boolean {
    const identity = identify(pid);
    return identity !== undefined && isAlive(identity);
  }

  async function stopAndWait(ref: JobRef): Promise<void> {
    await engine.stop(ref, engine.place);
    await untilExited(engine, ref);
  }

  test('a job outlives the controller that launched it, killed or interrupted at its terminal, and another adopts it', async () => {
    const job = aShellJob('trap "" INT; echo on; while [ ! -e go ]; do sleep 0.02; done; echo done', {orphanAfterMs: 5000});
    const {child, seen} = startController(job);
    expect((await seen).kind).toBe('running');
    const group = must(child.pid, 'started');
    const gone = once(child, 'exit');
    process.kill(-group, 'SIGINT');
    process.kill(-group, 'SIGHUP');
    await gone;
    expect(await engine.observe(job.ref, engine.place)).toEqual(await seen);

    const second = aShellJob('sleep 600', {ref: {...job.ref, job: 'second'}});
    const other = startController(second);
    await other.seen;
    const killed = once(other.child, 'exit');
    process.kill(-must(other.child.pid, 'started'), 'SIGKILL');
    await killed;
    expect((await engine.observe(second.ref, engine.place)).kind).toBe('running');
    await stopAndWait(second.ref);

    writeFileSync(join(directory.shared(job.ref.scanId), 'go'), '');
    expect((await untilExited(engine, job.ref)).exit.code).toBe(0);
    expect(await engine.output(job.ref, engine.place, 0, 'stdout')).toBe('on\ndone\n');
  });

  test('controllers in different processes that launch the same try at the same moment get one launch', async () => {
    const job = aShellJob('echo $$ >> pids; sleep 600');
    const atMs = Date.now() + 600;
    const controllers = [startController(job, atMs), startController(job, atMs), startController(job, atMs)];
    const seen = await Promise.all(controllers.map((one) => one.seen));
    expect(seen[0]?.kind).toBe('running');
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
    await untilPids(job.ref, 1);
    await stopAndWait(job.ref);
    expect(pidsIn(job.ref)).toHaveLength(1);
  });

  test('a supervisor that was started before its try was closed, and gets to it later, launches nothing', async () => {
    const job = aShellJob('echo $$ >> pids');
    const late = startSupervisor(job);
    expect(await engine.close(job.ref, engine.place, {epoch: 1, revision: 101})).toEqual({kind: 'closed'});
    expect(JSON.parse(await late.tell())).toEqual({kind: 'taken'});
    expect(existsSync(join(directory.shared(job.ref.scanId), 'pids'))).toBe(false);
    expect(await engine.observe(job.ref, engine.place)).toEqual({kind: 'closed'});
  });

  test('a supervisor that comes after its scan was forgotten launches nothing, even where the folder is there again', async () => {
    const job = aShellJob('echo $$ >> pids');
    const late = startSupervisor(job);
    await engine.close(job.ref, engine.place, job.fence);
    await engine.forget(job.ref.scanId);
    directory.makeTry(job.ref);
    await late.tell();
    expect(existsSync(join(directory.shared(job.ref.scanId), 'pids'))).toBe(false);
    expect(await engine.observe(job.ref, engine.place)).toEqual({kind: 'closed'});
  });

  test('nothing is launched where a scan is being forgotten; a forgetting that was cut short is finished by the next launch', async () => {
    const job = aShellJob('sleep 600');
    const late = startSupervisor(job);
    await engine.close({...job.ref, job: 'other'}, engine.place, {epoch: 1, revision: 50});
    directory.makeTry(job.ref);
    directory.markBeingForgotten(job.ref.scanId, true);
    expect(JSON.parse(await late.tell())).toEqual({kind: 'taken'});
    expect(await engine.observe(job.ref, engine.place)).toEqual({kind: 'closed'});
    expect((await engine.ensure(job)).kind).toBe('running');
    await stopAndWait(job.ref);
  });

  test('a supervisor whose controller died before it had said everything launches nothing', async () => {
    const job = aShellJob('echo $$ >> pids');
    directory.makeTry(job.ref);
    const orphan = startSupervisor(job);
    expect(await orphan.tell((text) => text.slice(0, -10))).toBe('');
    expect(await engine.observe(job.ref, engine.place)).toEqual({kind: 'absent'});
    expect((await engine.ensure(job)).kind).not.toBe('absent');
    await untilExited(engine, job.ref);
    expect(pidsIn(job.ref)).toHaveLength(1);
  });

  test('stop reaches children and grandchildren that ignore SIGTERM or left their session, after the same grace', async () => {
    const stubborn = `trap "" TERM; echo $$ >> pids; while :; do sleep 0.05; done`;
    const script = `(setsid sh -c '${stubborn}' &) ; (${stubborn.replace('$$', '$(exec sh -c "echo \\$PPID")')}) & setsid sh -c 'echo $$ >> pids; exec sleep 600' & ${stubborn}`;
    const job = aShellJob(script, {stopGraceMs: 300});
    await engine.ensure(job);
    const pids = await untilPids(job.ref, 4);
    expect(pids.filter(isRunning)).toHaveLength(4);
    await engine.stop(job.ref, engine.place);
    const {exit} = await untilExited(engine, job.ref);
    expect(pids.filter(isRunning)).toEqual([]);
    expect(exit).toMatchObject({signal: 'SIGKILL', reason: 'stopped'});
  });

  test.each(['', 'setsid'])('after a stop, what outlives the first process (%s) has been asked to end too, and has its grace', async (prefix) => {
    const job = aShellJob(`${prefix} sh -c 'trap "sleep 0.3; echo cleaned; exit" TERM; echo ready; while :; do sleep 0.02; done' & wait`);
    await engine.ensure(job);
    await untilOutput(engine, job.ref, 'ready');
    await stopAndWait(job.ref);
    expect(await engine.output(job.ref, engine.place, 0, 'stdout')).toContain('cleaned');
  });

  test('what a job leaves behind when it ends by itself is ended before its exit is told', async () => {
    const job = aShellJob(
      `setsid sh -c 'trap "" TERM; echo $$ >> pids; exec sleep 600' & (echo $$ >/dev/null; exec sleep 600) & while [ ! -e pids ]; do sleep 0.02; done; exit 4`,
    );
    await engine.ensure(job);
    const {exit} = await untilExited(engine, job.ref);
    expect(pidsIn(job.ref).filter(isRunning)).toEqual([]);
    expect(exit.code).toBe(4);
  });

  test('one of several processes that ends takes what it left behind along, while the others go on', async () => {
    const script = `if [ $SCANPLANE_PROCESS_INDEX = 0 ]; then env -i sleep 600 & echo $! >> pids; exit 5; fi; sleep 600`;
    const job = aShellJob(script, {count: 2});
    await engine.ensure(job);
    const [pid] = await untilPids(job.ref, 1);
    await eventually(() => !isRunning(must(pid, 'written')));
    expect((await engine.observe(job.ref, engine.place)).kind).toBe('running');
    await engine.stop(job.ref, engine.place);
    expect((await untilExited(engine, job.ref)).exit).toMatchObject({code: 5, reason: 'stopped'});
  });

  test('when its supervisor is killed, a job is ended, wherever its processes went, and told as lost by all observers alike', async () => {
    const script = `(setsid sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 0.05; done' &); echo $$ >> pids; sleep 600`;
    const job = aShellJob(script, {count: 2});
    await engine.ensure(job);
    const pids = await untilPids(job.ref, 4);
    process.kill(supervisorPid(job.ref), 'SIGKILL');
    const [one, other] = await Promise.all([untilExited(engine, job.ref), untilExited(sibling, job.ref)]);
    expect(pids.filter(isRunning)).toEqual([]);
    expect(one.exit).toMatchObject({code: null, reason: 'supervisor lost'});
    expect(other).toEqual(one);
    expect(await engine.ensure(job)).toEqual(one);
  });

  test('whenever in its launch a supervisor is killed, the try is launched once at most and leaves nothing behind', async () => {
    const kinds = new Set<string>();
    for (let i = 0; i < 8; i++) {
      const job = aShellJob('echo $$ >> pids; exec sleep 600');
      const query = {
        markers: [[`${MARKERS.supervisor}=${nameOf(job.ref)}`, `${MARKERS.runDirectory}=${directory.id}`]],
        groups: new Set<number>(),
        notBeforeTicks: 0,
      };
      const launch = engine.ensure(job).catch((err: unknown) => err);
      await new Promise((resolve) => setTimeout(resolve, 10 + i * 6));
      for (const supervisor of findMembers(query).members) signalProcess(supervisor, 'SIGKILL');
      const outcome = await launch;
      kinds.add(hasCode(outcome, 'unavailable') ? 'unavailable' : (outcome as JobObservation).kind);
      await engine.ensure(job);
      await engine.stop(job.ref, engine.place);
      await untilExited(engine, job.ref);
      const pids = existsSync(join(directory.shared(job.ref.scanId), 'pids')) ? pidsIn(job.ref) : [];
      expect(pids.length).toBeLessThanOrEqual(1);
      expect(pids.filter(isRunning)).toEqual([]);
    }
    expect(kinds).toContain('unavailable'); // else the kills came too late to test anything
  });

  test('a claim from before the host was restarted is a lost job, and no process of today is touched for it', async () => {
    const job = aJob();
    const bystander = spawn('sleep', ['600'], {detached: true, stdio: 'ignore'});
    started.push(bystander);
    const impostor = must(identify(must(bystander.pid, 'started')), 'it runs');
    directory.makeTry(job.ref);
    const supervisor = {...impostor, bootId: 'another boot'};
    directory.decide(job.ref, {kind: 'launch', fence: job.fence, at: new Date().toISOString(), cluster_id: 'c1', supervisor});
    directory.recordRunning(job.ref, {processes: [supervisor]});
    await engine.stop(job.ref, engine.place);
    const {exit} = await untilExited(engine, job.ref);
    expect(exit.reason).toBe('supervisor lost: the host was restarted');
    expect(isAlive(impostor)).toBe(true);
  });

  test('a record of what was started that was cut short when the power was says nothing, and stops nobody', async () => {
    const job = aJob();
    const supervisor = {pid: process.pid, startTicks: 1, bootId: 'another boot'};
    directory.makeTry(job.ref);
    directory.decide(job.ref, {kind: 'launch', fence: job.fence, at: new Date().toISOString(), cluster_id: 'c1', supervisor});
    writeFileSync(directory.file(job.ref, 'running'), '');
    expect((await untilExited(engine, job.ref)).exit.reason).toBe('supervisor lost: the host was restarted');
  });

  test.each([
    ['pipes', 'mkfifo exit.json stop'],
    ['pipes that it holds open', 'mkfifo exit.json stop; exec 7<>exit.json 8<>stop'],
    ['folders', 'mkdir -p exit.json/x stop/x'],
    ['nonsense', 'echo "{" > exit.json'],
    ['another value', 'echo 1 > exit.json'],
    ['half a record', `echo '{"began":true,"exit":null}' > exit.json`],
    ['links to nowhere', 'ln -s nowhere/x exit.json; ln -s nowhere/x stop'],
  ])('%s that a job puts in the place of its records keep no controller waiting: it can be stopped, and its end is known', async (_, deed) => {
    const job = aShellJob(
      `cd "../jobs/$(echo "$SCANPLANE_JOB" | cut -d/ -f2)/1" && { ${deed}; } && touch "$SCANPLANE_JOB_DIRECTORY/made"; exec sleep 600`,
      {orphanAfterMs: 600_000},
    );
    await engine.ensure(job);
    await eventually(() => expect(existsSync(join(directory.shared(job.ref.scanId), 'made'))).toBe(true));
    await engine.said(job.ref, engine.place);
    await engine.stop(job.ref, engine.place);
    expect((await untilExited(engine, job.ref)).exit.reason).toBe('stopped');
  });

  test('nonsense in the place of its records keeps nobody from ending what a job left behind', async () => {
    const before = await makeRoot();
    const job = aShellJob('cd "../jobs/$(echo "$SCANPLANE_JOB" | cut -d/ -f2)/1" && mkfifo exit.json && touch made; exec sleep 600');
    const earlier = openEngine(before);
    await earlier.ensure(job);
    const records = new RunDirectory(before, readFileSync(join(before, 'id'), 'utf8').trim());
    await eventually(() => expect(existsSync(join(records.try(job.ref), 'made'))).toBe(true));
    expect(await endLeftovers(before)).toBe(1);
    expect((await untilExited(earlier, job.ref)).exit.reason).toBe('ended by a new start');
    writeFileSync(records.file(job.ref, 'claim'), '{"broken');
    await removeRoot(before);
  });

  test('a pid that another process has by now is not mistaken for the supervisor, nor signalled', async () => {
    const job = aJob();
    const bystander = spawn('sleep', ['600'], {detached: true, stdio: 'ignore'});
    started.push(bystander);
    const now = must(identify(must(bystander.pid, 'started')), 'it runs');
    const then = {...now, startTicks: now.startTicks - 1};
    directory.makeTry(job.ref);
    directory.decide(job.ref, {kind: 'launch', fence: job.fence, at: new Date().toISOString(), cluster_id: 'c1', supervisor: then});
    directory.recordRunning(job.ref, {processes: [then]});
    await engine.stop(job.ref, engine.place);
    expect((await untilExited(engine, job.ref)).exit.reason).toBe('supervisor lost');
    expect(isAlive(now)).toBe(true);
  });

  test('a stop mark that nobody signalled is found', async () => {
    const job = aShellJob('sleep 600', {orphanAfterMs: 2000});
    await engine.ensure(job);
    writeFileSync(directory.file(job.ref, 'stop'), '');
    expect((await untilExited(engine, job.ref)).exit.reason).toBe('stopped');
  });

  test('a stop and a launch at the same moment never leave a job running', async () => {
    for (let i = 0; i < 6; i++) {
      const job = aShellJob('sleep 600');
      const launch = engine.ensure(job);
      await new Promise((resolve) => setTimeout(resolve, i * 12));
      await sibling.stop(job.ref, sibling.place);
      await launch;
      await eventually(async () => {
        const {kind} = await engine.observe(job.ref, engine.place);
        expect(['closed', 'exited']).toContain(kind);
      });
    }
  });

  test('renewals count by their change: a wall clock that is turned back orphans nobody', async () => {
    const job = aShellJob('sleep 600', {orphanAfterMs: 600});
    await engine.ensure(job);
    let wall = Date.now();
    const turnedBack = openProcessEngine({root, baseEnv: BASE_ENV, log: silentLog, clock: {...systemClock, now: () => (wall -= 3_600_000)}});
    const until = performance.now() + 1500;
    while (performance.now() < until) {
      await turnedBack.renew([job.ref]);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await engine.observe(job.ref, engine.place)).kind).toBe('running');
    await stopAndWait(job.ref);
  });

  test('1 GB of output is taken as fast as it comes and kept within bounds', async () => {
    const script = 'echo FIRST; head -c 1000000000 /dev/zero | tr "\\0" x; echo; echo LAST; echo E >&2';
    const job = aShellJob(script, {outputLimitBytes: 100_000});
    await engine.ensure(job);
    const status = (): string => readFileSync(`/proc/${supervisorPid(job.ref)}/status`, 'latin1');
    let peakKb = 0;
    await eventually(
      async () => {
        if ((await engine.observe(job.ref, engine.place)).kind === 'exited') return true;
        peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+)/.exec(status())?.[1] ?? 0));
        return false;
      },
      {timeoutMs: 20_000},
    ).catch((err: unknown) => {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
    });
    await untilExited(engine, job.ref);
    const output = await engine.output(job.ref, engine.place, 0, 'stdout');
    expect(output.slice(0, 6)).toBe('FIRST\n');
    expect(output.slice(-7)).toBe('x\nLAST\n');
    expect(output).toContain(`[${1_000_000_000 + 12 - 100_000} bytes dropped here]`);
    expect(output.length).toBeLessThan(100_100);
    expect(await engine.output(job.ref, engine.place, 0, 'stderr')).toBe('E\n');
    const kept = readdirSync(directory.try(job.ref)).reduce((sum, name) => sum + statSync(join(directory.try(job.ref), name)).size, 0);
    expect(kept).toBeLessThan(160_000);
    expect(peakKb).toBeLessThan(150_000);
  });

  test('what a job prints can be read while it runs, and after its supervisor was killed', async () => {
    const job = aShellJob('echo early; sleep 600');
    await engine.ensure(job);
    await untilOutput(engine, job.ref, 'early');
    process.kill(supervisorPid(job.ref), 'SIGKILL');
    await untilExited(engine, job.ref);
    expect(await engine.output(job.ref, engine.place, 0, 'stdout')).toBe('early\n');
  });

  test('the environment of a job is in no file and on no command line, whether it runs, fails or cannot be started', async () => {
    const secret = `secret-${'k'.repeat(20)}`;
    const env = [['JOB_TOKEN', secret]] as const;
    const good = aShellJob('test -n "$JOB_TOKEN" && sleep 600', {env});
    const bad = aJob({env, command: ['no-such-command']});
    const tooLong = aJob({env: [...env, ['BIG', 'x'.repeat(3_000_000)]]}); // E2BIG
    await Promise.all([good, bad, tooLong].map((job) => engine.ensure(job)));
    expect((await untilExited(engine, tooLong.ref)).exit.reason).toBe('cannot start "/bin/sh": E2BIG');
    expect((await untilExited(engine, bad.ref)).exit.reason).toBe('cannot start "no-such-command": no such file');
    expect((await engine.observe(good.ref, engine.place)).kind).toBe('running');
    expect(readFileSync(`/proc/${supervisorPid(good.ref)}/cmdline`, 'utf8')).not.toContain(secret);
    expect(readFileSync(`/proc/${supervisorPid(good.ref)}/environ`, 'utf8')).not.toContain(secret);
    const files = readdirSync(root, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile());
    expect(files.length).toBeGreaterThan(10);
    const paths = files.map((file) => join(file.parentPath, file.name));
    expect(paths.filter((path) => readFileSync(path, 'latin1').includes(secret))).toEqual([]);
    await stopAndWait(good.ref);
  });

  test('a job gets the base environment, its own, and its markers; nothing of the controller', async () => {
    process.env['SCANPLANE_TEST_CONTROLLER_SECRET'] = 'x';
    const job = aJob({
      command: ['env'],
      env: [
        ['LANG', 'C'],
        ['MINE', 'a=b\nc'],
      ],
    });
    await engine.ensure(job);
    await untilExited(engine, job.ref);
    const output = await engine.output(job.ref, engine.place, 0, 'stdout');
    const expected = [
      `PATH=${BASE_ENV.PATH}`,
      'LANG=C',
      'MINE=a=b\nc',
      `SCANPLANE_JOB=${nameOf(job.ref)}`,
      `SCANPLANE_RUN_DIRECTORY=${directory.id}`,
      `SCANPLANE_JOB_DIRECTORY=${directory.shared(job.ref.scanId)}`,
      'SCANPLANE_PROCESS_INDEX=0',
    ];
    expect(
      output
        .trimEnd()
        .split(/\n(?=[A-Z_]+=)/)
        .sort(),
    ).toEqual(expected.sort());
  });

  test('a name that another database launched here is refused, and its job left alone', async () => {
    const job = aShellJob('sleep 600');
    await engine.ensure(job);
    const refused = await engine.ensure({...job, clusterId: 'c2'}).catch((err: unknown) => err);
    expect(hasCode(refused, 'invalid')).toBe(true);
    expect((await engine.observe(job.ref, engine.place)).kind).toBe('running');
    await stopAndWait(job.ref);
  });

  test('a file that is not executable, and a folder, end the try with a reason', async () => {
    const scanId = nextScanId();
    const maker = aShellJob('echo "#!/bin/sh" > script', {ref: {scanId, job: 'maker', try: 1}});
    await engine.ensure(maker);
    await untilExited(engine, maker.ref);
    const job = aJob({ref: {scanId, job: 'j', try: 1}, command: ['./script']});
    await engine.ensure(job);
    expect((await untilExited(engine, job.ref)).exit).toMatchObject({code: 126, reason: 'cannot start "./script": not executable'});
  });

  test('another run directory is another place', async () => {
    const elsewhere = await makeRoot();
    try {
      const other = openEngine(elsewhere);
      expect(other.place).not.toBe(engine.place);
      expect(openEngine(elsewhere).place).toBe(other.place);
      const job = aJob();
      await engine.ensure(job);
      expect(await other.observe(job.ref, engine.place)).toEqual({kind: 'foreign'});
      expect(await other.observe(job.ref, other.place)).toEqual({kind: 'absent'});
      expect(hasCode(await other.output(job.ref, engine.place, 0, 'stdout').catch((err: unknown) => err), 'not_found')).toBe(true);
    } finally {
      await removeRoot(elsewhere);
    }
  });

  test('a new start ends what the start before left running, and nothing else', async () => {
    const before = await makeRoot();
    try {
      const old = openEngine(before);
      const here = aShellJob('sleep 600');
      const jobs = [aShellJob(`setsid sh -c 'trap "" TERM; echo $$ > pids; exec sleep 600' & wait`, {count: 1}), aShellJob('sleep 600')] as const;
      await engine.ensure(here);
      for (const job of jobs) await old.ensure(job);
      const oldDirectory = new RunDirectory(before, readFileSync(join(before, 'id'), 'utf8').trim());
      const pid = await eventually(() =>
        Number(must(readFileSync(join(oldDirectory.shared(jobs[0].ref.scanId), 'pids'), 'utf8').trim() || undefined, 'written')),
      );
      expect(await endLeftovers(before)).toBe(2);
      expect(isRunning(pid)).toBe(false);
      for (const job of jobs) expect((await old.observe(job.ref, old.place)).kind).toBe('exited');
      expect(await endLeftovers(before)).toBe(0);
      expect((await engine.observe(here.ref, engine.place)).kind).toBe('running');
      await stopAndWait(here.ref);
    } finally {
      await removeRoot(before);
    }
    expect(await endLeftovers(join(before, 'never-there'))).toBe(0);
  });
});

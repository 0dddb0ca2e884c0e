import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {afterEach, describe, expect, test} from 'vitest';
import {ClassMaker} from '../../src/jobs/class-maker.ts';
import type {ClassMakerOptions} from '../../src/jobs/class-maker.ts';
import {identify, isAlive} from '../../src/engines/process/processes.ts';
import {must} from '../../src/lib/assert.ts';
import {hasCode} from '../../src/lib/errors.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {JobToMake} from '../../src/specs/job-maker.ts';
import {eventually} from '../support/eventually.ts';

const MODULE = fileURLToPath(new URL('./odd-jobs.ts', import.meta.url));

describe('creation of class jobs', () => {
  const makers: ClassMaker[] = [];
  afterEach(async () => {
    for (const maker of makers.splice(0)) await maker.close();
  });

  function open(more: Partial<ClassMakerOptions> = {}): ClassMaker {
    const maker = new ClassMaker({module: MODULE, env: {MINE: '1'}, log: silentLog, ...more});
    makers.push(maker);
    return maker;
  }

  const job = (type: string, args: JobToMake['args'] = {}): JobToMake => ({type, name: 'node', id: 'aB3x', requestId: 'r1', args});
  const refusal = (made: Promise<unknown>): Promise<unknown> => made.then(() => 'made').catch((err: unknown) => err);

  test('the arguments come back as creation left them, with the bytes; those given are left alone', async () => {
    const maker = open();
    await maker.load();
    const given = {given: 1, other: {deep: [null]}};
    expect(await maker.make(job('sets-args', given))).toEqual({args: {other: {deep: [null]}, set: ['by', 1]}, bytes: 'AP8H'});
    expect(given).toEqual({given: 1, other: {deep: [null]}});
    expect(await maker.make(job('good'))).toEqual({args: {}, bytes: Buffer.from('bytes').toString('base64')});
  });

  test('a job is told its id; its process has the environment that it was given, and nothing of ours', async () => {
    process.env['SCANPLANE_TEST_API_SECRET'] = 'x';
    const {args} = await open().make(job('tells-its-id-and-environment'));
    expect(args['id']).toEqual({type: 'tells-its-id-and-environment', name: 'node', id: 'aB3x', requestId: 'r1'});
    expect(Object.keys(args['env'] as object).filter((name) => !name.startsWith('NODE_CHANNEL'))).toEqual(['MINE']);
  });

  test.each([
    ['create-throws', 'job node (type create-throws): no such region'],
    ['nobody-knows-this', 'unknown job type nobody-knows-this'],
    ['make-returns-nothing', 'job node (type make-returns-nothing): the job made for type make-returns-nothing has no method create'],
    ['says-another-id', /the job made for \["r1","aB3x","node","says-another-id"\] says that it is \["r1","zzzz"/],
    ['sets-a-date', 'job node (type sets-a-date): the arguments that it left cannot be kept: when.it is an object of a class, which JSON cannot say'],
    ['sets-a-cycle', /cannot be kept: it is nested more than 64 levels deep/],
    ['sets-too-much', /are larger than 262144 bytes/],
    ['serializes-an-object', /it serialised neither bytes nor text/],
  ])('a creation that refuses or is wrong (%s) is invalid, with the reason, and the process goes on', async (type, message) => {
    const maker = open();
    const err = await refusal(maker.make(job(type)));
    expect(hasCode(err, 'invalid')).toBe(true);
    if (typeof message === 'string') expect(String(err)).toContain(`[invalid] ${message}`);
    else expect(String(err)).toMatch(message);
    expect(await maker.make(job('good'))).toBeDefined();
  });

  test.each(['create-blocks', 'create-hangs'])(
    'a creation that does not end (%s) is ended, with those beside it; the next finds a new process',
    async (type) => {
      const maker = open({limitMs: 1500});
      await maker.load();
      const [stuck, beside] = await Promise.all([refusal(maker.make(job(type))), refusal(maker.make(job('create-hangs')))]);
      expect(hasCode(stuck, 'unavailable')).toBe(true);
      expect(String(stuck)).toContain(`the creation of a job of type ${type} did not end within 1.5 s`);
      expect(hasCode(beside, 'unavailable')).toBe(true);
      expect(await maker.make(job('good'))).toBeDefined();
    },
  );

  test('a creation that says something of its own to its parent is none the worse for it, nor is its parent', async () => {
    expect(await open().make(job('create-speaks-to-its-parent'))).toEqual({args: {}, bytes: Buffer.from('bytes').toString('base64')});
  });

  test('more creations than may be under way at once wait, and each gets its own answer', async () => {
    const maker = open();
    const made = await Promise.all(Array.from({length: 100}, (_, n) => maker.make(job('sets-args', {given: n}))));
    expect(made.map(({args}) => args['set'])).toEqual(Array.from({length: 100}, (_, n) => ['by', n]));
  });

  test('a creation that ends its process is unavailable, and the next finds a new one', async () => {
    const maker = open();
    expect(String(await refusal(maker.make(job('create-exits'))))).toContain('[unavailable] jobs cannot be made now: it ended by itself: code 9');
    expect(await maker.make(job('good'))).toBeDefined();
  });

  test('a module that cannot be loaded is unavailable, with the reason', async () => {
    const maker = open({module: '/no/such/module.ts'});
    expect(String(await refusal(maker.load()))).toMatch(/\[unavailable\] jobs cannot be made now: the job module cannot be loaded: .*module\.ts/);
    expect(hasCode(await refusal(maker.make(job('good'))), 'unavailable')).toBe(true);
  });

  test('a maker that was closed fails what is under way, and leaves no process', async () => {
    const maker = open();
    await maker.load();
    const waiting = refusal(maker.make(job('create-hangs')));
    await maker.close();
    expect(String(await waiting)).toContain('this process is ending');
    expect(hasCode(await refusal(maker.make(job('good'))), 'unavailable')).toBe(true);
  });

  test('when its parent is killed, the process ends, even where a creation blocks it', async () => {
    const parent = fileURLToPath(new URL('./maker-parent.ts', import.meta.url));
    const child = spawn(process.execPath, [parent, MODULE], {stdio: ['ignore', 'pipe', 'inherit']});
    try {
      const [line] = (await once(createInterface({input: child.stdout}), 'line')) as [string];
      const process_ = must(identify(Number(line)), 'it runs');
      child.kill('SIGKILL');
      await once(child, 'exit');
      await eventually(() => !isAlive(process_), {timeoutMs: 15_000});
    } finally {
      child.kill('SIGKILL');
    }
  });
});

import {describe, expect, test} from 'vitest';
import {SpecJobMaker} from '../../src/jobs/job-maker.ts';
import {hasCode} from '../../src/lib/errors.ts';
import type {JobType} from '../../src/schema/job-type.ts';
import type {JobToMake} from '../../src/specs/job-maker.ts';
import type {JobTypeSpec} from '../../src/specs/spec.ts';

const PLACE = {file: 'a.yaml', line: 1};

function types(declared: Readonly<Record<string, Omit<JobTypeSpec, 'name' | 'place'>>>): ReadonlyMap<string, JobTypeSpec> {
  return new Map(Object.entries(declared).map(([name, type]) => [name, {...type, name, place: PLACE}]));
}

const command = (...parts: string[]): JobType => ({run: {kind: 'command', command: parts}});
const job = (type: string, args: JobToMake['args'] = {}): JobToMake => ({type, name: 'node', id: 'aB3x', requestId: 'r1', args});

/** A module in which a job's creation sets `made` and serialises its type. */
const classes = {
  make: (made: JobToMake) => Promise.resolve({args: {...made.args, made: true}, bytes: Buffer.from(made.type).toString('base64')}),
};

describe('creation of jobs', () => {
  test('a command is created without changing its arguments, and keeps how it is run', async () => {
    const maker = new SpecJobMaker(types({probe: {...command('probe', '${host}'), cluster: 'c', count: 2, timeout: '1m'}}), undefined);
    expect(await maker.make(job('probe', {host: 'n1'}))).toEqual({
      args: {host: 'n1'},
      runs: {run: {kind: 'command', command: ['probe', '${host}']}, cluster: 'c', count: 2, timeout: '1m'},
    });
  });

  test('what `sets` names is set, each with its type, and is what the job serialises', async () => {
    const sets = {url: 'http://${host}/x', hosts: '${all}', fixed: {n: [1, '${host}']}, host: 'other'};
    const maker = new SpecJobMaker(types({load: {...command('load', '${url}'), sets}}), undefined);
    const made = await maker.make(job('load', {host: 'n1', all: ['n1', 2]}));
    const args = {host: 'other', all: ['n1', 2], url: 'http://n1/x', hosts: ['n1', 2], fixed: {n: [1, 'n1']}};
    expect(made.args).toEqual(args);
    expect(JSON.parse(Buffer.from(made.bytes ?? '', 'base64').toString())).toEqual(args);
  });

  test.each([
    ['a command whose argument is missing', command('probe', '${host}'), {}, 'arg host is not set'],
    ['a program that would be empty', command('${program}'), {program: ''}, 'its command would begin with nothing'],
    ['a null byte', command('probe', '${x}'), {x: 'a\0'}, 'its command would hold a null byte'],
    [
      'a part that no system takes',
      command('probe', '${x}'),
      {x: 'é'.repeat(65_536)},
      'part 2 of its command would be larger than 131071 bytes; its document has all arguments',
    ],
    [
      'a call that cannot be made',
      {run: {kind: 'http', method: 'GET', url: '${u}', expect: [200]}},
      {u: 'nowhere'},
      'its url is none when the arguments are filled in',
    ],
    ['arguments that are too large', command('probe'), {x: 'x'.repeat(300_000)}, 'its arguments are larger than 262144 bytes'],
    ['arguments that are no JSON', command('probe'), {x: {y: NaN}}, 'its arguments cannot be kept: x.y is NaN, which JSON cannot say'],
    ['an argument that `sets` misses', {...command('probe'), sets: {a: '${b}'}}, {}, 'arg b is not set'],
  ] as const)('%s is refused, with the reason', async (_what, type, args, reason) => {
    const maker = new SpecJobMaker(types({t: type as JobType}), undefined);
    const err = await maker.make(job('t', args)).catch((thrown: unknown) => thrown);
    expect(hasCode(err, 'invalid')).toBe(true);
    expect(String(err)).toContain(`job node (type t): ${reason}`);
  });

  test('a class that is declared, and one that is not, are made by the module', async () => {
    const maker = new SpecJobMaker(types({declared: {run: {kind: 'class'}, cluster: 'c', sets: {a: 1}}}), classes);
    expect(await maker.make(job('declared', {x: 2}))).toEqual({
      args: {x: 2, a: 1, made: true},
      bytes: Buffer.from('declared').toString('base64'),
      runs: {run: {kind: 'class'}, cluster: 'c'},
    });
    expect(await maker.make(job('other'))).toEqual({
      args: {made: true},
      bytes: Buffer.from('other').toString('base64'),
      runs: {run: {kind: 'class'}},
    });
  });

  test('a type that nobody knows is refused, and so is a declared class without a module', async () => {
    const maker = new SpecJobMaker(types({declared: {run: {kind: 'class'}}}), undefined);
    for (const name of ['other', 'constructor', '__proto__']) {
      const err = await maker.make(job(name)).catch((thrown: unknown) => thrown);
      expect(hasCode(err, 'invalid')).toBe(true);
      expect(String(err)).toContain(`unknown job type ${name}`);
    }
    await expect(maker.make(job('declared'))).rejects.toThrow('job type declared is a class, and no module of job classes is configured');
  });

  test('case 354: noop jobs are created without asking the module, which need not know them (mended)', async () => {
    const refusing = {make: () => Promise.reject(new Error('asked'))};
    for (const each of [undefined, refusing]) expect(await new SpecJobMaker(new Map(), each).make(job('noop', {a: 1}))).toEqual({args: {a: 1}});
  });
});

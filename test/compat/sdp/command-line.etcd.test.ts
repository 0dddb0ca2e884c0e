import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {text as textOf} from 'node:stream/consumers';
import {fileURLToPath} from 'node:url';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {runSdpCli} from '../../../src/cli/sdp/run.ts';
import {connect} from '../../../src/client/index.ts';
import type {ConfigDatabase} from '../../../src/client/index.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';

/** `scanplane sdp` against a real etcd. Words and keys are those of 2022: script for workflow, eb for sbi, controller for master; the older words are taken, too. */

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

let etcd: TestEtcd;
let folder: string;
let db: ConfigDatabase;
let env: Record<string, string>;
let count = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  folder = await mkdtemp(join(tmpdir(), 'scanplane-sdp-'));
});
beforeEach(() => {
  env = {SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_ETCD_PREFIX: `/t${++count}`, PATH: process.env['PATH'] ?? ''};
  db = connect({}, env);
});
afterEach(() => db.close());
afterAll(async () => {
  await rm(folder, {recursive: true, force: true});
  await etcd?.stop();
});

/** Runs a command line, with `input` on standard input. */
async function sdp(argv: readonly string[], input = '', interrupt = new AbortController().signal, heard?: (text: string) => void): Promise<Ran> {
  let [out, err] = ['', ''];
  const lines = (async function* (): AsyncGenerator<string> {
    yield input;
  })();
  const code = await runSdpCli(argv, {
    input: lines,
    out: {
      write: (text) => {
        out += text;
        heard?.(out);
      },
    },
    err: {
      write: (text) => {
        err += text;
      },
    },
    env,
    clock: systemClock,
    interrupt,
  });
  return {code, out, err};
}

const done = (out: string): Ran => ({code: 0, out, err: ''});
const failed = (err: unknown): Ran => ({code: 1, out: '', err: err as string});
const text = async (key: string): Promise<string | undefined> => (await db.get(key)).text;
const keys = async (): Promise<readonly string[]> => (await db.list('/', {recurse: 9})).keys;
const put = async (...names: readonly string[]): Promise<void> => {
  for (const key of names) await db.create(key, '{}');
};
const file = async (name: string, content: string): Promise<string> => {
  await writeFile(join(folder, name), content);
  return join(folder, name);
};

describe('list', () => {
  const header = async (...argv: readonly string[]): Promise<string> => (await sdp(['list', ...argv])).out.split('\n')[0] as string;

  test('case 154: which path is listed, by type, by option and with a prefix', async () => {
    expect(await header('-a')).toBe('Keys with prefix /: ');
    expect(await header('pb')).toBe('Keys with prefix /pb: ');
    expect(await header('sbi')).toBe('Keys with prefix /eb: ');
    expect(await header('eb')).toBe('Keys with prefix /eb: ');
    expect(await header('deployment')).toBe('Keys with prefix /deploy: ');
    expect(await header('workflow')).toBe('Keys with prefix /script: ');
    for (const prefix of ['/test', '/test/']) expect(await header(`--prefix=${prefix}`, 'pb')).toBe('Keys with prefix /test/pb: ');
    expect(await sdp(['list', '-q', 'sbi'])).toEqual(done(''));
    await put('/pb/pb-a', '/test/pb/pb-b', '/pbx');
    expect((await sdp(['--prefix', '/test', 'list', 'pb', '-q'])).out).toBe('/test/pb/pb-b\n');
    expect((await sdp(['list', '-q', 'pb'])).out).toBe('/pb/pb-a\n');
  });

  test('case 155: quiet and without values: keys alone, sorted, no header', async () => {
    await put('/pb/b', '/pb/a', '/pb/a/state', '/eb/x');
    expect(await sdp(['list', '-q', 'pb'])).toEqual(done('/pb/a\n/pb/a/state\n/pb/b\n'));
    expect(await sdp(['list', '-q', '-a'])).toEqual(done('/eb/x\n/pb/a\n/pb/a/state\n/pb/b\n'));
  });

  test('case 156: quiet and with values: values alone, in the order of their keys', async () => {
    await db.create('/pb/b', 'second');
    await db.create('/pb/a', 'first');
    expect(await sdp(['list', '-q', '-v', 'pb'])).toEqual(done('first\nsecond\n'));
  });

  test('case 157: a header with the path, then the keys', async () => {
    await put('/deploy/one', '/deploy/two');
    expect(await sdp(['list', 'deployment'])).toEqual(done('Keys with prefix /deploy: \n/deploy/one\n/deploy/two\n'));
  });

  test('case 158: the processing blocks of a date, and of no other', async () => {
    await db.create('/pb/pb-a-20210101-00000', 'v');
    await put('/pb/pb-a-20210102-00000');
    const dated = 'Processing blocks for date 20210101: \n/pb/pb-a-20210101-00000 = v\n';
    expect(await sdp(['list', '-v', 'pb', '20210101'])).toEqual(done(dated));
    expect(await sdp(['list', '-q', 'pb', '20300101'])).toEqual(done(''));
  });

  test('case 159: the scripts of a kind, whatever its case, and of no other (mended)', async () => {
    await put('/script/batch:a:1', '/script/realtime:batch:1');
    expect(await sdp(['list', 'workflow', 'BATCH'])).toEqual(done('Script definitions of kind BATCH: \n/script/batch:a:1\n'));
    expect(await sdp(['list', '-q', 'script', 'other'])).toEqual(done(''));
  });

  test('the controller is the one key of its type', async () => {
    await put('/lmc/controller', '/lmc/controllers', '/lmc/subarray/01');
    expect(await sdp(['list', '-q', 'master'])).toEqual(done('/lmc/controller\n'));
    expect(await sdp(['list', '-q', 'subarray'])).toEqual(done('/lmc/subarray/01\n'));
  });
});

describe('get and watch', () => {
  test('case 160: a key with its value; quiet the value; None where there is none', async () => {
    await db.create('/any/key', 'value');
    expect(await sdp(['get', '/any/key'])).toEqual(done('/any/key = value\n'));
    expect(await sdp(['get', '/any/key', '-q'])).toEqual(done('value\n'));
    expect(await sdp(['get', '/absent'])).toEqual(done('/absent = None\n'));
  });

  test('case 161: a processing block with all that belongs to it, by its id or by a part that no block is called', async () => {
    await put('/pb/pb-a-1', '/pb/pb-a-1/state', '/pb/pb-a-10');
    expect(await sdp(['get', 'pb', 'pb-a-1'])).toEqual(done('/pb/pb-a-1 = {}\n/pb/pb-a-1/state = {}\n'));
    expect((await sdp(['get', 'pb', 'a-1'])).out.split('\n')).toHaveLength(4);
    expect(await sdp(['get', 'pb', 'other'])).toEqual(done('/pb/other = None\n'));
  });

  test('case 162: without an id, and with a malformed path, an error that says so', async () => {
    expect(await sdp(['get', 'pb'])).toEqual(failed('pb: its id is missing\n'));
    expect(await sdp(['get', '/pb/'])).toEqual(failed(expect.stringContaining('/pb/')));
    expect(await sdp(['get', 'pb-a'])).toEqual(failed(expect.stringContaining('pb-a')));
  });

  test('a watch shows the value again at each change, until Ctrl-C, and then has done well', async () => {
    await db.create('/any/key', 'one');
    const interrupt = new AbortController();
    const heard = (out: string): void => {
      if (out.endsWith('= one\n')) void db.update('/any/key', 'two');
      if (out.endsWith('= two\n')) interrupt.abort();
    };
    expect(await sdp(['watch', '/any/key'], '', interrupt.signal, heard)).toEqual(done('/any/key = one\n/any/key = two\n'));
  });
});

describe('create', () => {
  test('case 163: a script and an execution block, under their keys', async () => {
    expect(await sdp(['create', 'workflow', 'batch:my-key:1', '{image: img}'])).toEqual(done('/script/batch:my-key:1 created\n'));
    expect(await text('/script/batch:my-key:1')).toBe('{\n  "image": "img"\n}');
    expect(await sdp(['create', 'sbi', 'eb-x', 'max_length: 60'])).toEqual(done('/eb/eb-x created\n'));
    expect(JSON.parse((await text('/eb/eb-x')) ?? '')).toMatchObject({eb_id: 'eb-x', max_length: 60, status: 'ACTIVE'});
    expect(await sdp(['create', 'eb', 'eb-x', '{}'])).toEqual(failed(expect.stringMatching(/create \/eb\/eb-x.*exists/)));
  });

  test('values are checked before they are written, unless they are to be raw', async () => {
    expect(await sdp(['create', 'eb', 'eb-y', 'scan_types: 1'])).toEqual(failed(expect.stringMatching(/\/eb\/eb-y.*scan_types/)));
    expect(await sdp(['create', 'eb', 'eb-y', '{a: '])).toEqual(failed(expect.stringMatching(/the value/)));
    expect(await keys()).toEqual([]);
    expect((await sdp(['create', '--raw', 'eb', 'eb-y', '{a: '])).code).toBe(0);
    expect(await text('/eb/eb-y')).toBe('{a: ');
  });

  test('case 164: a processing block of a script in three parts, and of none with two', async () => {
    const [, id = ''] = /pb_id: (.*)\n$/.exec((await sdp(['create', 'pb', 'batch:test:0.0.0'])).out) ?? [];
    expect(JSON.parse((await text(`/pb/${id}`)) ?? '')).toMatchObject({
      script: {kind: 'batch', name: 'test', version: '0.0.0'},
      eb_id: null,
      parameters: {},
    });
    expect(await sdp(['create', 'pb', 'batch:test'])).toEqual(failed(expect.stringContaining('KIND:NAME:VERSION')));
  });

  test('case 165: its parameters are an object, and its id is new and told', async () => {
    const {out} = await sdp(['create', 'pb', 'batch:test:0.0.0', '{"param1":"my_param"}']);
    const [, id = ''] = /^Processing block created with pb_id: (pb-sdpcli-\d{8}-\d{5})\n$/.exec(out) ?? [];
    expect(JSON.parse((await text(`/pb/${id}`)) ?? '')).toMatchObject({parameters: {param1: 'my_param'}});
  });

  test('an execution block comes with a processing block where its members are given', async () => {
    const {out} = await sdp(['create', 'pb', 'realtime:receive:1', '--eb', 'scan_types: [{scan_type_id: science}]']);
    const [, ebId = '', pbId = ''] = /eb_id: (.*)\n.*pb_id: (.*)\n/.exec(out) ?? [];
    expect(JSON.parse((await text(`/eb/${ebId}`)) ?? '')).toMatchObject({eb_id: ebId, pb_realtime: [pbId], scan_types: [{scan_type_id: 'science'}]});
    expect(JSON.parse((await text(`/pb/${pbId}`)) ?? '')).toMatchObject({eb_id: ebId});
  });

  test('case 166: a deployment has id, type and args', async () => {
    const {out} = await sdp(['create', 'deployment', 'MyID', 'helm', '{"chart": "c", "values": {}}']);
    expect(out).toBe('Deployment created with id: MyID\n');
    expect(JSON.parse((await text('/deploy/MyID')) ?? '')).toEqual({id: 'MyID', type: 'helm', args: {chart: 'c', values: {}}});
  });
});

describe('update and edit', () => {
  test('case 167: which key is changed, by type', async () => {
    await put('/pb/pb-a/state', '/script/batch:a:1', '/eb/eb-a', '/deploy/d', '/lmc/subarray/01', '/lmc/controller');
    const update = async (...argv: readonly string[]): Promise<string> => (await sdp(['update', ...argv])).out;
    expect(await update('pb-state', 'pb-a', 'status: RUNNING')).toBe('/pb/pb-a/state updated.\n');
    expect(await update('workflow', 'batch:a:1', 'image: i')).toBe('/script/batch:a:1 updated.\n');
    expect(await update('sbi', 'eb-a', 'status: FINISHED')).toBe('/eb/eb-a updated.\n');
    expect(await update('deployment', 'd', '{type: helm, args: {}}')).toBe('/deploy/d updated.\n');
    expect(await update('subarray', '1', 'state: "ON"')).toBe('/lmc/subarray/01 updated.\n');
    expect(await update('master', 'state: "ON"')).toBe('/lmc/controller updated.\n');
    expect(await text('/pb/pb-a/state')).toBe('{\n  "status": "RUNNING"\n}');
  });

  test('case 168: what is not there cannot be updated', async () => {
    expect(await sdp(['update', 'pb-state', 'pb-a', 'status: RUNNING'])).toEqual(
      failed(expect.stringMatching(/update \/pb\/pb-a\/state.*not exist/)),
    );
    expect(await keys()).toEqual([]);
  });

  test('case 169: edited without a change, absent, and without an editor', async () => {
    await db.create('/script/batch:a:1', '{"image":"i"}');
    expect(await sdp(['edit', 'script', 'batch:a:1'])).toEqual(failed(expect.stringContaining('EDITOR')));
    env['EDITOR'] = 'true';
    expect(await sdp(['edit', 'script', 'batch:a:1'])).toEqual(done('No change!\n'));
    expect(await text('/script/batch:a:1')).toBe('{"image":"i"}');
    expect(await sdp(['update', '--edit', 'script', 'batch:b:1'])).toEqual(failed('No match for /script/batch:b:1\n'));
  });

  test('an editor is shown the key and YAML; what it leaves is written', async () => {
    await db.create('/script/batch:a:1', '{"image":"i"}');
    const copy = join(folder, 'copy');
    env['EDITOR'] = `f() { cp "$1" ${copy}; sed -i s/i$/other/ "$1"; }; f`;
    expect(await sdp(['edit', 'script', 'batch:a:1'])).toEqual(done('/script/batch:a:1 updated.\n'));
    expect(await readFile(copy, 'utf8')).toBe('# /script/batch:a:1\nimage: i\n');
    expect(await text('/script/batch:a:1')).toBe('{\n  "image": "other"\n}');
  });

  test('what somebody else has changed meanwhile is not overwritten, and what was edited is not lost', async () => {
    await db.create('/script/batch:a:1', '{"image":"i"}');
    const others = await file('others', '{"image":"theirs"}');
    const etcdctl = `scanplane_put() { ${JSON.stringify(process.execPath)} --input-type=module -e 'import {connect} from ${JSON.stringify(
      fileURLToPath(new URL('../../../src/client/index.ts', import.meta.url)),
    )}; import {readFileSync} from "node:fs"; const db = connect(); await db.update("/script/batch:a:1", readFileSync(${JSON.stringify(others)}, "utf8")); await db.close();'; sed -i s/i$/mine/ "$1"; }; scanplane_put`;
    env['EDITOR'] = etcdctl;
    const {code, err} = await sdp(['edit', 'script', 'batch:a:1']);
    expect([code, err]).toEqual([1, expect.stringMatching(/has changed meanwhile; what was edited is in .*value\.yaml/)]);
    const [, kept = ''] = / is in (.*)\n$/.exec(err) ?? [];
    expect(await readFile(kept, 'utf8')).toContain('image: mine');
    await rm(join(kept, '..'), {recursive: true});
    expect(await text('/script/batch:a:1')).toBe('{"image":"theirs"}');
  });
});

describe('delete and end', () => {
  test('case 170: all of a type go only after yes', async () => {
    await put('/pb/a', '/pb/a/state');
    expect((await sdp(['delete', '-a', 'pb'], 'y\n')).out).toMatch(
      /^You are attempting to delete all entries of type pb .*\nContinue\? \(yes, no\) Aborted\n$/,
    );
    expect(await keys()).toEqual(['/pb/a', '/pb/a/state']);
    expect((await sdp(['delete', '-a', 'pb'])).code).toBe(1);
    expect(await keys()).toEqual(['/pb/a', '/pb/a/state']);
  });

  test('case 171: all of a type below a prefix, after one question', async () => {
    await put('/test/pb/a', '/test/pb/a/state', '/pb/a', '/test/eb/x');
    const {out} = await sdp(['delete', '-a', '--prefix=/test', 'pb'], 'yes\n');
    expect(out.split('Continue?')).toHaveLength(2);
    expect(out).toContain('/test/pb/a\n/test/pb/a/state\nDeleted above keys with prefix /test/pb.\n');
    expect(await keys()).toEqual(['/pb/a', '/test/eb/x']);
    expect((await sdp(['delete', '-a', 'prefix', '--prefix', '/test', '--yes'])).code).toBe(0);
    expect(await keys()).toEqual(['/pb/a']);
    expect(await sdp(['delete', '-a', 'prefix', '--yes'])).toEqual(failed(expect.stringContaining('--prefix')));
  });

  test('more than one transaction takes is deleted as well', async () => {
    await db.transact(async (tx) => {
      for (let i = 0; i < 120; i++) await tx.create(`/pb/${i}`, '{}');
    });
    expect((await sdp(['delete', '-a', '-q', 'pb', '--yes'])).code).toBe(0);
    expect(await keys()).toEqual([]);
  });

  test('case 172: one object goes without a question, with its children and without those that are called alike (mended)', async () => {
    await put('/pb/a', '/pb/a/state', '/pb/ab', '/pb/a-b');
    expect(await sdp(['delete', 'pb', 'a'])).toEqual(done('/pb/a\n/pb/a/state\nDeleted above keys with prefix /pb/a.\n'));
    expect(await keys()).toEqual(['/pb/a-b', '/pb/ab']);
    await put('/script/batch:a:0.1', '/script/batch:a:0.10');
    await sdp(['delete', 'workflow', 'batch:a:0.1']);
    expect(await keys()).toContain('/script/batch:a:0.10');
  });

  test('case 173: what is not there cannot be deleted', async () => {
    expect(await sdp(['delete', 'deployment', 'd'])).toEqual(failed(expect.stringMatching(/delete \/deploy\/d.*not exist/)));
  });

  test('an execution block that is ended is FINISHED, once', async () => {
    await sdp(['create', 'eb', 'eb-a', '{subarray_id: "01", scan_id: 3}']);
    expect(await sdp(['end', 'eb', 'eb-a'])).toEqual(done('/eb/eb-a updated.\n'));
    expect(JSON.parse((await text('/eb/eb-a')) ?? '')).toMatchObject({status: 'FINISHED', subarray_id: null, scan_id: null});
    expect(await sdp(['end', 'eb', 'eb-a'])).toEqual(done('No change!\n'));
    expect(await sdp(['end', 'eb', 'eb-b'])).toEqual(failed('No match for /eb/eb-b\n'));
  });
});

describe('import', () => {
  const STRUCTURED = `
repositories:
- {name: nexus, path: example.org/sdp}
workflows:
- {type: batch, id: a, repository: nexus, image: script-a, versions: [0.1.0]}
- {type: realtime, id: b, repository: nexus, image: script-b, versions: ["1.0"]}
`;
  const FLAT = `{"scripts": [
    {"kind": "batch", "name": "a", "version": "0.1.0", "image": "example.org/sdp/script-a:0.1.0"},
    {"kind": "realtime", "name": "b", "version": "1.0", "image": "example.org/sdp/script-b:1.0"}
  ]}`;
  const images = async (): Promise<unknown> =>
    Object.fromEntries((await db.values('/script/')).entries.map((each) => [each.path, (JSON.parse(each.text) as {image: string}).image]));
  const BOTH = {'/script/batch:a:0.1.0': 'example.org/sdp/script-a:0.1.0', '/script/realtime:b:1.0': 'example.org/sdp/script-b:1.0'};

  test('case 174: structured and flat definitions give the same scripts', async () => {
    const {out} = await sdp(['import', 'workflows', await file('structured.yaml', STRUCTURED)]);
    expect(out).toBe('Creating batch:a:0.1.0\nCreating realtime:b:1.0\nImport finished successfully.\n');
    expect(await images()).toEqual(BOTH);
    expect((await sdp(['import', 'scripts', await file('flat.json', FLAT)])).out).toBe('No changes\n');
  });

  test('a catalogue may come from a URL, and its scripts may be commands', async () => {
    const server = createServer((_, response) => response.end('scripts: [{kind: batch, name: c, version: "1", command: [python3, c.py]}]'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/catalogue.yaml`;
    expect((await sdp(['import', 'scripts', url])).out).toBe('Creating batch:c:1\nImport finished successfully.\n');
    server.close();
    expect(JSON.parse((await text('/script/batch:c:1')) ?? '')).toEqual({command: ['python3', 'c.py']});
  });

  test('case 175: with sync what changed is updated, what is new created, what is absent deleted; without it nothing is deleted', async () => {
    await sdp(['create', 'script', 'batch:a:0.1.0', 'image: old']);
    await sdp(['create', 'script', 'batch:gone:1', 'image: gone']);
    const definitions = await file('sync.yaml', STRUCTURED);
    expect((await sdp(['import', 'scripts', definitions])).out).toBe(
      'Updating batch:a:0.1.0\nCreating realtime:b:1.0\nImport finished successfully.\n',
    );
    expect(await images()).toEqual({...BOTH, '/script/batch:gone:1': 'gone'});
    expect((await sdp(['import', '--sync', 'scripts', definitions])).out).toBe('Deleting batch:gone:1\nImport finished successfully.\n');
    expect(await images()).toEqual(BOTH);
  });

  test('case 176: a file that is missing, or a URL that answers nobody', async () => {
    const bad = failed('Bad file name or URL. Please fix, and retry.\n');
    expect(await sdp(['import', 'scripts', join(folder, 'missing.yaml')])).toEqual(bad);
    expect(await sdp(['import', 'scripts', 'http://127.0.0.1:9/none'])).toEqual(bad);
    expect(await keys()).toEqual([]);
  });

  test('case 177: what is neither YAML nor JSON, and what does not fit', async () => {
    for (const content of ['a: [', '- 1', '{"scripts": ']) {
      const malformed = await sdp(['import', 'scripts', await file('malformed', content)]);
      expect(malformed).toEqual(failed('Malformed YAML/JSON file. Please fix, and retry.\n'));
    }
    const unfit = await file('unfit.yaml', 'scripts: [{kind: batch, name: a, version: "1", image: i}, {kind: batch, name: b}]');
    expect(await sdp(['import', 'scripts', unfit])).toEqual(failed('scripts.1.version: it must be a text\n'));
    expect(await keys()).toEqual([]);
  });
});

describe('the command line itself', () => {
  test('case 178: a command that is not supported', async () => {
    expect(await sdp(['fly'])).toMatchObject({code: 2, err: expect.stringMatching(/^Command 'fly' is not supported/) as string});
  });

  test('options may stand before the command or after it; one that nobody knows is named', async () => {
    await put('/pb/a');
    expect(await sdp(['-q', 'list', 'pb'])).toEqual(await sdp(['list', 'pb', '-q']));
    expect(await sdp(['list', '--fast'])).toMatchObject({code: 2, err: expect.stringContaining('--fast') as string});
    expect((await sdp(['help'])).out).toContain('import');
    expect((await sdp([])).code).toBe(2);
  });

  test('as a process it ends with the code, and a watch with 0 on SIGINT', async () => {
    const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
    const run = (...argv: readonly string[]): ReturnType<typeof spawn> =>
      spawn(process.execPath, [main, 'sdp', ...argv], {env, stdio: ['ignore', 'pipe', 'pipe']});
    const wrong = run('get', 'pb');
    expect(await once(wrong, 'exit')).toEqual([1, null]);
    await db.create('/any/key', 'value');
    const watching = run('watch', '/any/key');
    const output = textOf(watching.stdout as NodeJS.ReadableStream);
    await once(watching.stdout as NodeJS.ReadableStream, 'data');
    watching.kill('SIGINT');
    expect(await once(watching, 'exit')).toEqual([0, null]);
    await output;
    await eventually(() => watching.exitCode === 0);
  });
});

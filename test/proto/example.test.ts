import {readFileSync} from 'node:fs';
import {expect, test} from 'vitest';
import {runRequest} from '../../examples/proto/run-request.ts';
import {ProtoError, RequestManagerClient, STATE_COMPLETE, STATE_FAIL, STATE_PENDING, STATE_SUSPENDED, encodeJson} from '../../src/proto/index.ts';
import {aLog, aRequest} from '../support/wire-objects.ts';
import {startRequestServer} from '../support/request-server.ts';

test('the example creates a request, waits for its end and gives the tries that failed', async () => {
  await using server = await startRequestServer();
  server.answer('POST /api/v1/requests', {status: 201, text: encodeJson({...aRequest(), state: STATE_PENDING})});
  const states = [STATE_PENDING, 2, STATE_SUSPENDED, 2, STATE_COMPLETE];
  server.answer('GET /api/v1/requests/r9', ...states.map((state) => ({text: encodeJson({...aRequest(), state})})));
  const logs = [{...aLog(), try: 3}, {...aLog(), try: 2, state: STATE_COMPLETE}, aLog()];
  server.answer('GET /api/v1/requests/r9/log', {text: encodeJson(logs)});
  const {state, failed} = await runRequest(new RequestManagerClient(server.url), 'scan', {k1: 'v1'}, 1);
  expect(state).toBe('COMPLETE');
  expect(failed).toEqual([aLog(), {...aLog(), try: 3, state: STATE_FAIL}]);
  expect(server.calls).toHaveLength(7);
});

test('the documentation shows the example as it is', () => {
  const shown = /```ts\n(.*?)```/s.exec(readFileSync(new URL('../../docs/proto.md', import.meta.url), 'utf8'))?.[1];
  const example = readFileSync(new URL('../../examples/proto/run-request.ts', import.meta.url), 'utf8');
  expect(shown).toBe(example.replaceAll('../../src/proto/index.ts', 'scanplane/proto'));
});

test('an error of the API is JSON of the wire’s shape', () => {
  const err = new ProtoError('request r9 not found', {requestId: 'r9', httpStatus: 404});
  expect(JSON.parse(encodeJson(err))).toEqual({message: 'request r9 not found', requestId: 'r9', httpStatus: 404});
  expect(err.message).toBe('request r9 not found');
});

test('what the package exports is what the build makes of files that there are', () => {
  const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'));
  const {exports} = read('package.json') as {readonly exports: Record<string, {readonly types: string; readonly default: string}>};
  const {compilerOptions} = read('tsconfig.build.json') as {readonly compilerOptions: {readonly outDir: string; readonly rootDir: string}};
  for (const target of Object.values(exports)) {
    expect(target.types).toBe(target.default.replace(/\.js$/, '.d.ts'));
    const source = target.default.replace(`./${compilerOptions.outDir}/`, `${compilerOptions.rootDir}/`).replace(/\.js$/, '.ts');
    expect(readFileSync(new URL(`../../${source}`, import.meta.url), 'utf8')).toContain('export ');
  }
  expect(exports).toHaveProperty(['./proto']);
});

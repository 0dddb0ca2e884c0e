import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {parse, parseAllDocuments} from 'yaml';
import {NODE_FLAGS} from '../../src/cli/node-flags.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy');
const read = (file: string): string => readFileSync(join(DEPLOY, file), 'utf8');

const COMMAND = ['node', ...NODE_FLAGS, '/app/dist/main.js'];

test('the APIs of compose.yaml run with the flags of npm start', () => {
  const {services} = parse(read('compose.yaml'), {merge: true}) as {readonly services: Readonly<Record<string, {readonly entrypoint?: unknown}>>};
  expect([services['api-1']?.entrypoint, services['api-2']?.entrypoint]).toEqual([COMMAND, COMMAND]);
});

test('the APIs on Kubernetes run with the flags of npm start', () => {
  const commands = parseAllDocuments(read('kubernetes/base/api.yaml'))
    .map(
      (document) =>
        document.toJS() as {
          readonly kind: string;
          readonly spec: {readonly template: {readonly spec: {readonly containers: readonly {readonly command?: unknown}[]}}};
        },
    )
    .filter(({kind}) => kind === 'Deployment')
    .flatMap(({spec}) => spec.template.spec.containers.map(({command}) => command));
  expect(commands).toEqual([COMMAND]);
});

import {expect, test} from 'vitest';
import {checkEngines} from '../../src/model/chain-engines.ts';
import type {JobType} from '../../src/schema/job-type.ts';
import {aChain} from '../support/chain-world.ts';

const ENGINES: Readonly<Record<string, string>> = {here: 'process', remote: 'other', outside: 'external'};
const TYPES: Readonly<Record<string, JobType>> = {
  shell: {run: {kind: 'command', command: ['true']}},
  call: {run: {kind: 'http', method: 'GET', url: 'http://api.example', expect: [200]}},
  object: {run: {kind: 'class'}},
};

const check = (type: string, cluster: string): void =>
  checkEngines(aChain({a: []}, {jobs: {a: {name: 'probe', type, cluster}}, chain: {types: TYPES}}), (name) => ENGINES[name]);

test('a command runs on clusters of any engine, an HTTP call and a class only where our programs are', () => {
  for (const type of ['shell', 'call', 'object']) expect(() => check(type, 'here')).not.toThrow();
  expect(() => check('shell', 'remote')).not.toThrow();
  expect(() => check('call', 'remote')).toThrow('job probe (type call) cannot run on cluster remote: an HTTP call needs the engine process');
  expect(() => check('object', 'remote')).toThrow('job probe (type object) cannot run on cluster remote: a class needs the engine process');
});

test('nothing runs on an external cluster but noops, which run nowhere', () => {
  expect(() => check('shell', 'outside')).toThrow('job probe (type shell) cannot run on cluster outside: its jobs are none of ours');
  expect(() => check('noop', 'outside')).not.toThrow();
});

test('a cluster or a type that nobody knows yet is met when the job is launched', () => {
  expect(() => check('call', 'nowhere')).not.toThrow();
  expect(() => check('constructor', 'remote')).not.toThrow();
});

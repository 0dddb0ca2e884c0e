import {describe, expect, test} from 'vitest';
import {parseSpecs} from '../../src/specs/parse.ts';
import type {JobTypeSpec} from '../../src/specs/spec.ts';
import {brief, found, specsOf} from '../support/specs.ts';

function jobType(text: string): JobTypeSpec | undefined {
  return specsOf(`jobs: {j: ${text}}`).jobTypes.get('j');
}

function foundIn(text: string): string[] {
  return found(`jobs: {j: ${text}}`);
}

describe('declared job types', () => {
  test('a command with its place, its number of processes and what its creation sets', () => {
    expect(
      jobType('{command: [convert, "${in}", 5], env: {DEBUG: 1}, cluster: local, count: 2, timeout: 90s, sets: {out: "${in}.png", n: 3}}'),
    ).toEqual({
      name: 'j',
      place: {file: 'spec.yaml', line: 1},
      run: {kind: 'command', command: ['convert', '${in}', '5'], env: [['DEBUG', '1']]},
      cluster: 'local',
      count: 2,
      timeout: '90s',
      sets: {out: '${in}.png', n: 3},
    });
  });

  test('what runs it in a container', () => {
    expect(jobType('{command: [a], image: "reg/i:1", resources: {limits: {memory: 2Gi, cpu: 0.5}, requests: {cpu: 500m}}}')).toMatchObject({
      image: 'reg/i:1',
      resources: {limits: {memory: '2Gi', cpu: '0.5'}, requests: {cpu: '500m'}},
    });
    expect(foundIn('{command: [a], image: "a b"}').join()).toContain('jobs.j.image');
    expect(foundIn('{command: [a], resources: {limits: {memory: much}}}').join()).toContain('jobs.j.resources.limits');
    expect(foundIn('{class: true, image: i, resources: {}}').join()).toMatch(/jobs\.j\.image.*jobs\.j\.resources/);
  });

  test('an HTTP call; GET without a body, POST with one', () => {
    expect(jobType('{http: {url: "https://host/${id}"}}')?.run).toEqual({
      kind: 'http',
      method: 'GET',
      url: 'https://host/${id}',
      expect: [200, 201, 202, 203, 204],
    });
    expect(jobType('{http: {url: "http://host", body: {a: [1, yes, null]}, headers: {x-a: 1}, expect: [200, 409]}}')?.run).toEqual({
      kind: 'http',
      method: 'POST',
      url: 'http://host',
      headers: [['x-a', '1']],
      body: {a: [1, 'yes', null]},
      expect: [200, 409],
    });
    expect(jobType('{http: {method: delete, url: "${address}"}}')?.run).toMatchObject({method: 'DELETE'});
  });

  test('an HTTP call follows redirects when it is told to', () => {
    expect(jobType('{http: {url: "http://host", follow: true}}')?.run).toMatchObject({follow: true});
    expect(foundIn('{http: {url: "http://host", follow: true}}')).toEqual([]);
    expect(foundIn('{http: {url: "http://host", follow: 3}}')).toEqual(['error type jobs.j.http.follow']);
  });

  test('a class of the configured module', () => {
    expect(jobType('{class: true}')?.run).toEqual({kind: 'class'});
  });

  test('a type has exactly one way to run', () => {
    for (const text of ['{}', '{command: [a], class: true}', '{class: false}', '{command: [a], http: {url: "http://h"}}']) {
      expect(foundIn(text)).toEqual(['error invalid jobs.j ""']);
      expect(jobType(text)).toBeUndefined();
    }
  });

  test('what cannot be run is an error that names the field', () => {
    expect(foundIn('{command: []}')).toEqual(['error invalid jobs.j.command ""']);
    expect(foundIn('{command: sleep 5}')).toEqual(['error type jobs.j.command', 'error invalid jobs.j.command ""']);
    expect(foundIn('{command: ["a\\0b"]}')).toEqual(['error invalid jobs.j.command ""']);
    expect(foundIn('{command: [a], env: {A=B: c}}')).toEqual(['error invalid jobs.j.env "A=B"']);
    expect(foundIn('{command: [a], env: {SCANPLANE_JOB_FILE: c}}')).toEqual(['error invalid jobs.j.env "SCANPLANE_JOB_FILE"']);
    expect(foundIn('{class: true, env: {A: b}}')).toEqual(['error invalid jobs.j.env ""']);
    expect(foundIn('{command: [a], count: 0}')).toEqual(['error invalid jobs.j.count "0"']);
    expect(foundIn('{command: [a], timeout: 5}')).toEqual(['error invalid jobs.j.timeout "5"']);
    expect(foundIn('{command: [a], sets: [b]}')).toEqual(['error invalid jobs.j.sets ""']);
    expect(foundIn('{http: {url: "ftp://host"}}')).toEqual(['error invalid jobs.j.http.url ""']);
    expect(foundIn('{http: {url: "http://h", method: BREW}}')).toEqual(['error invalid jobs.j.http.method "BREW"']);
    expect(foundIn('{http: {url: "http://h", headers: {"a b": c}}}')).toEqual(['error invalid jobs.j.http.headers "a b"']);
    expect(foundIn('{http: {url: "http://h", headers: {a: "b\\r\\nc"}}}')).toEqual(['error invalid jobs.j.http.headers "a"']);
    expect(foundIn('{http: {url: "http://h", expect: [20, ok]}}')).toEqual([
      'error invalid jobs.j.http.expect "20"',
      'error invalid jobs.j.http.expect "ok"',
    ]);
    expect(foundIn('{http: {url: "http://h", expect: []}}')).toEqual(['error invalid jobs.j.http.expect ""']);
  });

  test('no finding repeats a password or the value of a variable or header', () => {
    const specs = specsOf(
      'jobs: {j: {http: {url: "https://me:hunter2@host", headers: {authorization: "hunter2\\n"}}}, k: {command: [a], env: {T: "hunter2\\0"}}}',
    );
    expect(specs.findings).toHaveLength(3);
    expect(JSON.stringify(specs.findings)).not.toContain('hunter2');
  });

  test('what is built in cannot be declared', () => {
    for (const name of ['noop', 'scanner-server', 'workers'])
      expect(found(`jobs: {${name}: {class: true}}`)).toEqual([`error invalid jobs.${name} "${name}"`]);
  });

  test('a type that is declared twice is an error in the second place', () => {
    const specs = parseSpecs([
      {name: 'a.yaml', text: 'jobs: {j: {class: true}}'},
      {name: 'b.yaml', text: 'jobs: {j: {command: [a]}}'},
    ]);
    expect(specs.findings).toMatchObject([{severity: 'error', kind: 'duplicate', place: {file: 'b.yaml'}, field: 'jobs', values: ['j']}]);
    expect(specs.jobTypes.get('j')?.run).toEqual({kind: 'class'});
  });

  test('a type with an error stops only itself and the sequences that use it; a type nobody declares is no finding', () => {
    const specs = specsOf(`jobs:
  bad: {command: []}
  good: {command: [a]}
sequences:
  uses-bad: {nodes: {n: {category: job, type: bad}}}
  uses-good: {nodes: {n: {category: job, type: good}, m: {category: job, type: undeclared}}}
`);
    expect(specs.findings).toMatchObject([
      {field: 'jobs.bad.command'},
      {sequence: 'uses-bad', node: 'n', field: 'type', message: expect.stringContaining('spec.yaml:2')},
    ]);
    expect([...specs.jobTypes.keys()]).toEqual(['good']);
    expect([...specs.sequences.keys()]).toEqual(['uses-good', 'noop']);
  });

  test('a node can take over only what its declared type sets or was passed; what a class sets is not known before', () => {
    const specs = specsOf(`jobs:
  run: {command: [a], sets: {out: x}}
  made: {class: true}
sequences:
  right: {args: {required: [{name: in}]}, nodes: {n: {category: job, type: run, args: [{expected: in}], sets: [{arg: out}, {arg: in, as: again}]}}}
  unknown: {nodes: {n: {category: job, type: made, sets: [{arg: any}]}}}
  wrong: {nodes: {n: {category: job, type: run, sets: [{arg: result}]}}}
`);
    expect(brief(specs.findings)).toEqual(['error graph sets.arg "result"']);
    expect([...specs.sequences.keys()]).toEqual(['right', 'unknown', 'noop']);
  });
});

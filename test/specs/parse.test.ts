import {describe, expect, test} from 'vitest';
import {formatFinding} from '../../src/specs/finding.ts';
import {parseSpecs} from '../../src/specs/parse.ts';
import {found, foundInNode, specsOf} from '../support/specs.ts';

const JOB = '{category: job, type: t}';

describe('scalars', () => {
  test('text fields keep what is written, whatever YAML would make of it', () => {
    const specs = specsOf(`sequences:
  s:
    args:
      optional: [{name: n, default: 175}, {name: x, default: 0x1F}, {name: y, default: yes}, {name: e, default: ""}, {name: q, default: "a\\tb"}]
      static: [{name: 007, default: 1e3}]
    nodes:
      n: {category: conditional, if: n, eq: {1: noop, yes: noop, on: noop, 1.0: noop, ~: noop, "": noop}}
`);
    expect(specs.findings.filter(({severity}) => severity === 'error')).toEqual([]);
    const sequence = specs.sequences.get('s');
    expect(sequence?.args.optional.map((arg) => arg.default)).toEqual(['175', '0x1F', 'yes', '', 'a\tb']);
    expect(sequence?.args.static).toEqual([{name: '007', default: '1e3'}]);
    expect([...(sequence?.nodes.get('n')?.eq?.keys() ?? [])]).toEqual(['1', 'yes', 'on', '1.0', '~', '']);
  });

  test('defaults may be lists and mappings, with the types that YAML gives their values', () => {
    const specs = specsOf(`sequences: {s: {args: {static: [{name: l, default: [1, a, yes, true, null, {k: 2.5}]}]}, nodes: {n: ${JOB}}}}`);
    expect(specs.sequences.get('s')?.args.static[0]?.default).toEqual([1, 'a', 'yes', true, null, {k: 2.5}]);
    expect(found(`sequences: {s: {args: {static: [{name: l, default: [.inf]}]}, nodes: {n: ${JOB}}}}`)).toEqual([
      'error type args.static.default ".inf"',
    ]);
  });

  test('a default of null is none', () => {
    expect(found(`sequences: {s: {args: {optional: [{name: x, default: null}]}, nodes: {n: ${JOB}}}}`)).toEqual([
      'error missing args.optional.default "x"',
    ]);
  });

  test("booleans may be written in YAML 1.1's words", () => {
    for (const word of ['true', 'yes', 'On', 'y'])
      expect(specsOf(`sequences: {s: {request: ${word}, nodes: {n: ${JOB}}}}`).sequences.get('s')?.request).toBe(true);
    expect(found(`sequences: {s: {request: 1, nodes: {n: ${JOB}}}}`)).toEqual(['error type request "1"']);
  });

  test('whole numbers are whole', () => {
    for (const number of ['1.5', '1e3', '-0', 'NaN', '99999999999999999999', '[1]']) {
      expect(found(`sequences: {s: {nodes: {n: {category: job, type: t, retry: ${number}}}}}`)[0]).toMatch(/^error type retry/);
    }
  });

  test('merge keys and aliases are followed', () => {
    const specs = specsOf(`sequences:
  s:
    args: &args {required: [{name: a}]}
    nodes:
      m: &m {category: job, type: t, retry: 2, args: [{expected: a}]}
      n: {<<: *m, retry: 3}
      o: {<<: [{type: other}, *m]}
  t: {args: *args, nodes: {n: *m}}
`);
    expect(specs.findings).toEqual([]);
    expect(specs.sequences.get('s')?.nodes.get('n')).toMatchObject({type: 't', retry: 3, place: {line: 6}});
    expect(specs.sequences.get('s')?.nodes.get('o')).toMatchObject({type: 'other', retry: 2});
    expect(specs.sequences.get('t')?.args.required).toEqual([{name: 'a'}]);
  });
});

describe('shape', () => {
  test('unknown keys are warnings at every level, with the keys that there are', () => {
    const specs = specsOf(`sequence: {}
sequences:
  s:
    reqest: true
    args: {needed: []}
    acl: [{role: r, op: start}]
    nodes: {n: {category: job, type: t, retires: 3, args: [], sets: [{arg: x, to: y}]}}
`);
    expect(specs.findings.map(({severity, field}) => `${severity} ${field}`)).toEqual([
      'warning sequence',
      'warning reqest',
      'warning args.needed',
      'warning acl.op',
      'warning sets.to',
      'warning retires',
    ]);
    expect(specs.findings[1]?.message).toContain('request');
    expect(specs.sequences.has('s')).toBe(true);
  });

  test('null sequences, nodes and entries are errors', () => {
    expect(found('sequences: {s: }')).toEqual(['error type ""']);
    expect(found('sequences: {s: {nodes: {n: }}}')).toEqual(['error type ""']);
    expect(found(`sequences: {s: {args: {required: [~]}, acl: [~], nodes: {n: {category: job, type: t, deps: [~], each: [~]}}}}`)).toEqual([
      'error type args.required "~"',
      'error type acl "~"',
      'error type deps "~"',
      'error type each "~"',
    ]);
  });

  test('what has the wrong shape is an error that names it', () => {
    expect(found('[]')).toEqual(['error type']);
    expect(found('text')).toEqual(['error type "text"']);
    expect(found('sequences: []')).toEqual(['error type sequences']);
    expect(found('sequences: {s: {nodes: [a]}}')).toEqual(['error type nodes']);
    expect(found('sequences: {s: {args: [{name: a}], nodes: {n: {category: {}, type: [t]}}}}')).toEqual([
      'error type args',
      'error type category',
      'error type type',
    ]);
    expect(found(`sequences: {s: {nodes: {[1]: ${JOB}}}}`)).toEqual(['error type nodes']);
  });

  test('an empty file says nothing', () => {
    for (const text of ['', '# nothing\n', '---\n', 'sequences:\n', '\ufeff']) expect(found(text)).toEqual([]);
  });

  test('names are bounded, without control characters, and never __proto__', () => {
    expect(found(`sequences: {__proto__: {nodes: {n: ${JOB}}}}`)).toEqual(['error invalid sequences "__proto__"']);
    expect(found(`sequences: {"a\\e[31m": {nodes: {n: ${JOB}}}}`)).toEqual(['error invalid sequences "a\\u001b[31m"']);
    expect(found(`sequences: {"": {nodes: {n: ${JOB}}}}`)).toEqual(['error invalid sequences ""']);
    expect(found(`sequences: {${'n'.repeat(257)}: {nodes: {n: ${JOB}}}}`)).toHaveLength(1);
    expect(found(`sequences: {s: {args: {required: [{name: __proto__}]}, nodes: {n: ${JOB}}}}`)).toEqual([
      'error invalid args.required.name "__proto__"',
    ]);
    expect(foundInNode('{category: job, type: t, sets: [{arg: x, as: __proto__}]}')).toEqual(['error invalid sets.as "__proto__"']);
    expect(foundInNode('{category: job, type: t, each: ["a:__proto__"]}')).toEqual(['error invalid each "a:__proto__"']);
    const specs = specsOf(`sequences: {s: {args: {static: [{name: a, default: {__proto__: {polluted: yes}}}]}, nodes: {n: ${JOB}}}}`);
    expect(specs.findings).toHaveLength(1);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('syntax', () => {
  test('a file that is no YAML takes out only what stands in it; callers are told where it may be', () => {
    const specs = parseSpecs([
      {name: 'broken.yaml', text: 'sequences:\n  lost: {nodes: {n: [}}\n'},
      {name: 'good.yaml', text: `sequences:\n  fine: {nodes: {n: ${JOB}}}\n  caller: {nodes: {n: {category: sequence, type: lost}}}\n`},
    ]);
    expect([...specs.sequences.keys()]).toEqual(['fine', 'noop']);
    expect(specs.findings.at(-1)).toMatchObject({sequence: 'caller', field: 'type', message: expect.stringContaining('broken.yaml')});
    expect(specs.findings.slice(0, -1).every(({kind, place}) => kind === 'syntax' && place.file === 'broken.yaml' && place.line >= 2)).toBe(true);
  });

  test('one error in a sequence leaves the others of the file alone', () => {
    const specs = specsOf(`sequences: {bad: {request: maybe, nodes: {n: ${JOB}}}, good: {nodes: {n: ${JOB}}}}`);
    expect([...specs.sequences.keys()]).toEqual(['good', 'noop']);
  });

  test('several documents in a file, tabs, unknown aliases and aliases of themselves are errors', () => {
    for (const text of ['a: 1\n---\nb: 2\n', 'a:\n\t- b\n', 'sequences: *nowhere', 'sequences: &a {s: *a}']) {
      expect(found(text).every((line) => line === 'error syntax')).toBe(true);
      expect(found(text)).not.toEqual([]);
    }
    expect(specsOf('a: 1\n---\nb: 2\n').findings).toMatchObject([
      {place: {line: 2}, message: expect.stringContaining('a second document begins here')},
    ]);
  });

  test('a few lines that stand for millions of values are refused', () => {
    const lines = Array.from({length: 12}, (_, level) => `b${level + 1}: &a${level + 1} [${`*a${level},`.repeat(10)}]`);
    const specs = specsOf(`b0: &a0 [${'x,'.repeat(10)}]\n${lines.join('\n')}\n`);
    expect(specs.findings).toMatchObject([{kind: 'syntax', message: expect.stringContaining('aliases')}]);
  });

  test('so are a few lines whose merged mappings are millions of values', () => {
    const wide = Array.from({length: 1000}, (_, index) => `k${index}: 1`).join(', ');
    const specs = specsOf(`base: &base {${wide}}\nlist: [${'{<<: *base},'.repeat(1000)}]\n`);
    expect(specs.findings).toMatchObject([{kind: 'syntax', message: expect.stringContaining('values')}]);
  });

  test('what is nested without end is refused', () => {
    expect(found(`a: ${'['.repeat(100)}${']'.repeat(100)}`)).toEqual(['error syntax']);
    expect(new Set(found('['.repeat(100_000)))).toEqual(new Set(['error syntax']));
    expect(new Set(found(`a: ${'{a: '.repeat(50_000)}`))).toEqual(new Set(['error syntax']));
  });
});

describe('our additions to nodes and sequences', () => {
  test('retry settings, timeouts and concurrency are read', () => {
    const specs = specsOf(`sequences:
  s:
    request: true
    timeout: 2h
    concurrency: 4
    nodes:
      n: {category: job, type: t, retry: 5, retryWait: 1s, retryBackoff: 1.5, retryMaxWait: 1m, retryDeadline: 1h30m, timeout: 90s}
`);
    expect(specs.findings).toEqual([]);
    expect(specs.sequences.get('s')).toMatchObject({timeout: '2h', concurrency: 4});
    expect(specs.sequences.get('s')?.nodes.get('n')).toMatchObject({retryBackoff: 1.5, retryMaxWait: '1m', retryDeadline: '1h30m', timeout: '90s'});
  });

  test('they need a retry, and fit their category', () => {
    expect(foundInNode('{category: job, type: t, retryBackoff: 2}')).toEqual(['error missing retry']);
    expect(foundInNode('{category: job, type: t, retry: 1, retryBackoff: 0.5}')).toEqual(['error invalid retryBackoff "0.5"']);
    expect(foundInNode('{category: job, type: t, retry: 1, retryMaxWait: -1s}')).toEqual(['error invalid retryMaxWait "-1s"']);
    expect(foundInNode('{category: sequence, type: noop, retry: 1, retryDeadline: 1h}')).toEqual(['error invalid retryDeadline "1h"']);
    expect(foundInNode('{category: sequence, type: noop, timeout: 1h}')).toEqual(['error invalid timeout "1h"']);
    expect(foundInNode('{category: job, type: t, timeout: 0s}')).toEqual(['error invalid timeout "0s"']);
  });

  test('limits of a request belong to requests', () => {
    const nodes = `nodes: {n: ${JOB}}`;
    expect(found(`sequences: {s: {timeout: 1h, concurrency: 2, ${nodes}}}`)).toEqual(['error invalid timeout "1h"', 'error invalid concurrency "2"']);
    expect(found(`sequences: {s: {request: true, timeout: soon, concurrency: 0, ${nodes}}}`)).toEqual([
      'error invalid timeout "soon"',
      'error invalid concurrency "0"',
    ]);
  });

  test('a caller may take over any argument of its callee, since it is there for certain', () => {
    const callee = '  c: {args: {required: [{name: p}], static: [{name: v, default: "1"}]}, nodes: {n: {category: job, type: t}}}';
    expect(foundInNode('{category: sequence, type: c, args: [{expected: p, given: a}], sets: [{arg: v}]}', callee)).toEqual([]);
  });
});

test('findings are sorted by file and line, and each is one line for people', () => {
  const specs = parseSpecs([
    {name: 'b.yaml', text: `sequences:\n  x: {nodes: {n: {category: job}}}\n`},
    {name: 'a.yaml', text: `sequences:\n  y:\n    nodes:\n      n: {category: job}\n  z: {nodes: {"m\\n": ${JOB}}}\n`},
  ]);
  expect(specs.findings.map(formatFinding)).toEqual([
    'a.yaml:4: sequence "y", node "n", type: a node of category job must name a job type',
    'a.yaml:5: sequence "z", nodes: "m\\n" is no name: one has 1 to 256 characters and no control characters',
    'b.yaml:2: sequence "x", node "n", type: a node of category job must name a job type',
  ]);
});

test('a sequence of 10,000 nodes, each of which sets an argument for the next, is checked', () => {
  const nodes = Array.from({length: 10_000}, (_, index) => {
    return `      n${index}: {category: job, type: t, sets: [{arg: x${index}}]${index === 0 ? '' : `, args: [{expected: x${index - 1}}], deps: [n${index - 1}]`}}`;
  });
  const specs = specsOf(`sequences:\n  s:\n    nodes:\n${nodes.join('\n')}\n`);
  expect(specs.findings).toEqual([]);
  expect(specs.sequences.get('s')?.nodes.size).toBe(10_000);
});

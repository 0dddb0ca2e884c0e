import {describe, expect, test} from 'vitest';
import {found, specsOf} from '../../support/specs.ts';

const NODES = 'nodes: {n: {category: job, type: t}}';

function foundIn(sequence: string): string[] {
  return found(`sequences: {s: {${sequence}}}`);
}

describe('4.12 static sequence checks', () => {
  test('case 106: a required argument without a name', () => {
    expect(foundIn(`args: {required: [{desc: nameless}]}, ${NODES}`)).toEqual(['error missing args.required.name']);
  });

  test('case 107: a required argument with a default; the finding shows both', () => {
    expect(foundIn(`args: {required: [{name: x, default: y}]}, ${NODES}`)).toEqual(['error invalid args.required.default "y" "x"']);
  });

  test('case 108: an optional argument without a default', () => {
    expect(foundIn(`args: {optional: [{name: x}]}, ${NODES}`)).toEqual(['error missing args.optional.default "x"']);
    expect(foundIn(`args: {optional: [{name: x, default: ""}]}, ${NODES}`)).toEqual([]);
  });

  test('case 109: a static argument without a default', () => {
    expect(foundIn(`args: {static: [{name: x}]}, ${NODES}`)).toEqual(['error missing args.static.default "x"']);
  });

  test('case 110: one name in two groups of arguments', () => {
    expect(foundIn(`args: {required: [{name: x}], static: [{name: x, default: y}]}, ${NODES}`)).toEqual(['error duplicate args.*.name "x"']);
  });

  test('case 111: a sequence without nodes', () => {
    expect(foundIn('request: true')).toEqual(['error missing nodes']);
    expect(foundIn('nodes: {}')).toEqual(['error missing nodes']);
  });

  test('case 112: a node that sets one name twice passes this check; its own check names it', () => {
    expect(foundIn('nodes: {n: {category: job, type: t, sets: [{arg: x}, {arg: x}]}}')).toEqual(['error duplicate sets.as "x"']);
  });

  test('case 113: two nodes that set one name are a warning that lists both', () => {
    const specs = specsOf(`sequences:
  s:
    nodes:
      m: {category: job, type: t, sets: [{arg: x}]}
      n: {category: job, type: t, sets: [{arg: y, as: x}]}
`);
    expect(specs.findings).toMatchObject([
      {severity: 'warning', kind: 'duplicate', field: 'nodes.sets.as', values: ['x'], message: expect.stringContaining('node "m" and node "n"')},
    ]);
    expect(specs.sequences.has('s')).toBe(true);
  });

  test("case 114: a node that sets the name of one of the sequence's arguments is a warning that lists both", () => {
    const specs = specsOf('sequences: {s: {args: {required: [{name: x}]}, nodes: {n: {category: job, type: t, sets: [{arg: x}]}}}}');
    expect(specs.findings).toMatchObject([
      {severity: 'warning', kind: 'duplicate', field: 'nodes.sets.as', values: ['x'], message: expect.stringContaining('this sequence and node "n"')},
    ]);
  });

  test('case 115: an ACL entry with both admin and ops', () => {
    expect(foundIn(`acl: [{role: r, admin: true, ops: [start]}], ${NODES}`)).toEqual(['error invalid acl.admin "true" "start"']);
  });

  test('case 116: an ACL entry without a role', () => {
    expect(foundIn(`acl: [{ops: [start]}], ${NODES}`)).toEqual(['error missing acl.role']);
  });

  test('case 117: two ACL entries for one role', () => {
    expect(foundIn(`acl: [{role: r, ops: [start]}, {role: r, ops: [stop]}], ${NODES}`)).toEqual(['error duplicate acl.role "r"']);
  });
});

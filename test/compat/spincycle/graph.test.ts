import {describe, expect, test} from 'vitest';
import {addVertex, connect, emptyGraph, graphProblem, insertBetween} from '../../../src/specs/graph.ts';
import type {Graph} from '../../../src/specs/graph.ts';

/** A graph from text: `1-2 2-3`. */
function graphOf(edges: string): Graph {
  const graph = emptyGraph();
  const pairs = edges.split(' ').map((edge) => edge.split('-') as [string, string]);
  for (const vertex of new Set(pairs.flat())) addVertex(graph, vertex);
  for (const [from, to] of pairs) connect(graph, from, to);
  return graph;
}

function edgesOf({next, previous}: Graph): {readonly forward: string[]; readonly backward: string[]; readonly vertices: string[]} {
  const pairs = (edges: Graph['next'], join: (vertex: string, other: string) => string): string[] =>
    [...edges].flatMap(([vertex, others]) => Array.from(others, (other) => join(vertex, other))).sort((a, b) => (a < b ? -1 : 1));
  return {
    forward: pairs(next, (from, to) => `${from}-${to}`),
    backward: pairs(previous, (to, from) => `${from}-${to}`),
    vertices: [...next.keys()].sort((a, b) => (a < b ? -1 : 1)),
  };
}

const DIAMOND = '1-2 1-3 2-4 3-4';

describe('4.15 graph primitives', () => {
  test('case 171: a straight line is valid', () => {
    expect(graphProblem(graphOf('1-2 2-3'))).toBeUndefined();
  });

  test('case 172: a graph of 20 vertices with several fans is valid', () => {
    const edges = '1-2 1-3 1-4 2-5 2-6 3-7 4-8 4-9 5-10 6-10 7-11 8-11 9-12 10-13 11-13 11-14 12-15 13-16 14-16 14-17 15-18 16-19 17-19 18-19 19-20';
    expect(edgesOf(graphOf(edges)).vertices).toHaveLength(20);
    expect(graphProblem(graphOf(edges))).toBeUndefined();
  });

  test('case 173: a diamond is valid', () => {
    expect(graphProblem(graphOf(DIAMOND))).toBeUndefined();
  });

  test('case 174: a graph with a cycle is not valid', () => {
    expect(graphProblem(graphOf('1-2 2-3 3-4 4-2 3-5'))).toBe('it has a cycle');
    expect(graphProblem(graphOf('1-2 3-4 4-3'))).toBe('it has a cycle');
    expect(graphProblem(graphOf('1-1'))).toBe('it has a cycle');
  });

  test('case 175: a graph with a dead end is not valid', () => {
    expect(graphProblem(graphOf(`${DIAMOND} 2-5`))).toBe('it has 2 vertices without successors');
    expect(graphProblem(graphOf(`${DIAMOND} 5-3`))).toBe('it has 2 vertices without predecessors');
  });

  test('case 176: a graph whose edges cannot be walked back is not valid', () => {
    const graph = graphOf(DIAMOND);
    for (const sources of graph.previous.values()) sources.clear();
    expect(graphProblem(graph)).toContain('one direction only');
    const other = graphOf(DIAMOND);
    other.next.get('2')?.delete('4');
    expect(graphProblem(other)).toContain('one direction only');
  });

  const LINE = {first: 'a', last: 'c'};
  const withLine = (): Graph => graphOf(`${DIAMOND} a-b b-c`);

  test.each([
    [177, '2', '4', '1-2 1-3 2-a 3-4 a-b b-c c-4'],
    [178, '3', '4', '1-2 1-3 2-4 3-a a-b b-c c-4'],
    [179, '1', '2', '1-3 1-a 2-4 3-4 a-b b-c c-2'],
  ])('case %i: a line put into a diamond between %s and %s takes the place of the edge there', (_, from, to, edges) => {
    const graph = withLine();
    insertBetween(graph, from, LINE, to);
    expect(edgesOf(graph)).toEqual({forward: edges.split(' '), backward: edges.split(' '), vertices: ['1', '2', '3', '4', 'a', 'b', 'c']});
    expect(graphProblem(graph)).toBeUndefined();
  });
});

/** A directed graph of named vertices. Each edge is in it twice, so that it can be walked both ways. */
export interface Graph {
  readonly next: Map<string, Set<string>>;
  readonly previous: Map<string, Set<string>>;
}

/** A part of a graph that is entered at one vertex and left at one. */
export interface Part {
  readonly first: string;
  readonly last: string;
}

export function emptyGraph(): Graph {
  return {next: new Map(), previous: new Map()};
}

/** Adds a vertex without edges. */
export function addVertex({next, previous}: Graph, vertex: string): void {
  next.set(vertex, new Set());
  previous.set(vertex, new Set());
}

/** Adds an edge between vertices of the graph; one that is there stays one. */
export function connect({next, previous}: Graph, from: string, to: string): void {
  next.get(from)?.add(to);
  previous.get(to)?.add(from);
}

/**
 * Puts a part, whose vertices and inner edges are in the graph already, between two vertices: an edge from one to the other is replaced by the way
 * through the part. Costs the same however many edges they have.
 */
export function insertBetween(graph: Graph, from: string, {first, last}: Part, to: string): void {
  graph.next.get(from)?.delete(to);
  graph.previous.get(to)?.delete(from);
  connect(graph, from, first);
  connect(graph, last, to);
}

/**
 * What keeps a graph from being that of a chain: it is to have one source and one sink, every vertex on a way from one to the other, no cycle, and
 * each edge in both directions. `undefined` when it is one.
 */
export function graphProblem(graph: Graph): string | undefined {
  const mirror = mirrorProblem(graph);
  if (mirror !== undefined) return mirror;
  const sources = withoutEdges(graph.previous);
  const sinks = withoutEdges(graph.next);
  // Without a cycle, whoever walks back from any vertex ends at a source, and forwards at a sink: with one of each, all are on a way between them.
  if (isCyclic(graph)) return 'it has a cycle';
  if (sources.length !== 1) return `it has ${sources.length} vertices without predecessors`;
  if (sinks.length !== 1) return `it has ${sinks.length} vertices without successors`;
  return undefined;
}

function mirrorProblem({next, previous}: Graph): string | undefined {
  return missingIn(next, previous) ?? missingIn(previous, next);
}

/** The first edge of `edges` that `others` does not have the other way round. */
function missingIn(edges: Graph['next'], others: Graph['next']): string | undefined {
  for (const [from, targets] of edges) {
    if (!others.has(from)) return `vertex ${from} has edges in one direction only`;
    for (const to of targets) if (others.get(to)?.has(from) !== true) return `the edge between ${from} and ${to} has one direction only`;
  }
  return undefined;
}

function withoutEdges(edges: Graph['next']): string[] {
  return [...edges].flatMap(([vertex, targets]) => (targets.size === 0 ? [vertex] : []));
}

function isCyclic({next, previous}: Graph): boolean {
  const missing = new Map(Array.from(previous, ([vertex, sources]) => [vertex, sources.size]));
  const order = withoutEdges(previous);
  for (const vertex of order) {
    for (const successor of next.get(vertex) ?? []) {
      const left = (missing.get(successor) ?? 0) - 1;
      missing.set(successor, left);
      if (left === 0) order.push(successor);
    }
  }
  return order.length < next.size;
}

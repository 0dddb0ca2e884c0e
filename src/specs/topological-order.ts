/** What waits for others, which it names. */
export interface Dependent {
  readonly name: string;
  readonly deps: readonly string[];
}

/**
 * Puts each node after those that it depends on; nodes that become free together stand as they were given. Names that are not among the
 * nodes hold nothing up.
 *
 * @returns `ordered`, and in `stuck` what cannot be put in order: the nodes on a cycle and those behind one
 */
export function topologicalOrder<T extends Dependent>(nodes: Iterable<T>): {readonly ordered: readonly T[]; readonly stuck: readonly T[]} {
  const all = [...nodes];
  const names = new Set(all.map(({name}) => name));
  const successors = new Map<string, T[]>(all.map(({name}) => [name, []]));
  const waitsFor = new Map<T, number>();
  for (const node of all) {
    const deps = new Set(node.deps.filter((dep) => names.has(dep)));
    waitsFor.set(node, deps.size);
    for (const dep of deps) successors.get(dep)?.push(node);
  }
  const ordered = all.filter((node) => waitsFor.get(node) === 0);
  for (const node of ordered) {
    // Grows while it is walked: what becomes ready is put at its end.
    for (const next of successors.get(node.name) ?? []) {
      const left = (waitsFor.get(next) ?? 0) - 1;
      waitsFor.set(next, left);
      if (left === 0) ordered.push(next);
    }
  }
  return {ordered, stuck: all.filter((node) => (waitsFor.get(node) ?? 0) > 0)};
}

/** The nodes that lie on a cycle, or between two. */
export function onCycles<T extends Dependent>(nodes: Iterable<T>): readonly T[] {
  const {stuck} = topologicalOrder(nodes);
  // What is stuck in both directions. Against the arrows, the nodes that only wait for a cycle come free.
  const dependants = new Map<string, string[]>(stuck.map(({name}) => [name, []]));
  for (const {name, deps} of stuck) for (const dep of deps) dependants.get(dep)?.push(name);
  const backwards = topologicalOrder(stuck.map((node) => ({name: node.name, deps: dependants.get(node.name) ?? [], node})));
  return backwards.stuck.map(({node}) => node);
}

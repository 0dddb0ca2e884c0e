/** The graph of who waits for whom, as it is now. */
export interface Waiting {
  /** Blocks that `id` waits for and that have not come to their end. */
  dependenciesOf(id: string): readonly string[];
  /** Whether any block names `id` as a dependency. */
  hasDependents(id: string): boolean;
}

/**
 * Finds circles of blocks that wait for each other.
 *
 * What was found to be on no circle is remembered, so a look at all blocks costs one walk over the graph, and one at a new block, which nobody waits for
 * yet, nothing at all.
 */
export class DependencyCircles {
  readonly #graph: Waiting;
  /** Blocks that are on no circle. */
  readonly #clear = new Set<string>();

  constructor(graph: Waiting) {
    this.#graph = graph;
  }

  /** A block was put, replaced or removed. */
  changed(id: string): void {
    // A new circle leads through it: then it has both. What was remembered of others may not hold any more.
    if (this.#graph.hasDependents(id) && this.#graph.dependenciesOf(id).length > 0) this.#clear.clear();
    else this.#clear.delete(id);
  }

  /** The circle that `id` is on, from it to it (`a, b, a`); `undefined`: none. */
  circleOf(id: string): readonly string[] | undefined {
    if (this.#clear.has(id)) return undefined;
    if (!this.#graph.hasDependents(id)) return undefined;
    const path = [id];
    const onPath = new Set(path);
    const visited = new Set(path);
    const open = [this.#graph.dependenciesOf(id)[Symbol.iterator]()];
    let hasOther = false;
    for (let next = open.at(-1); next !== undefined; next = open.at(-1)) {
      const {value, done} = next.next();
      if (done === true) {
        open.pop();
        onPath.delete(path.pop() as string);
        continue;
      }
      if (value === id) return [...path, id];
      if (onPath.has(value)) hasOther = true;
      if (visited.has(value) || this.#clear.has(value)) continue;
      visited.add(value);
      onPath.add(value);
      path.push(value);
      open.push(this.#graph.dependenciesOf(value)[Symbol.iterator]());
    }
    // Where there is a circle further down, only so much is known: this one is not on it.
    for (const each of hasOther ? [id] : visited) this.#clear.add(each);
    return undefined;
  }
}

import type {Dependency} from '../schema/processing-block.ts';

/**
 * A circle of dependencies that begins and ends with one of `ids`, for example `['a', 'b', 'a']`; `undefined`: there is none.
 *
 * @param dependenciesOf those of a block that has still to wait for them; none for any other
 */
export function findCircle(ids: Iterable<string>, dependenciesOf: (id: string) => readonly Pick<Dependency, 'pb_id'>[]): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const onPath = new Set<string>();
  // Without recursion: a chain of dependencies may be as long as there are blocks.
  const open: {readonly id: string; readonly next: Iterator<Pick<Dependency, 'pb_id'>>}[] = [];
  const enter = (id: string): void => {
    path.push(id);
    onPath.add(id);
    open.push({id, next: dependenciesOf(id).values()});
  };
  for (const start of ids) {
    if (done.has(start)) continue;
    enter(start);
    for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
      const {done: isAtEnd, value} = at.next.next();
      if (isAtEnd === true) {
        done.add(at.id);
        onPath.delete(at.id);
        path.pop();
        open.pop();
      } else if (onPath.has(value.pb_id)) return [...path.slice(path.indexOf(value.pb_id)), value.pb_id];
      else if (!done.has(value.pb_id)) enter(value.pb_id);
    }
  }
  return undefined;
}

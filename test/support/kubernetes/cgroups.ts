import {existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {eventually} from '../eventually.ts';

const ROOT = '/sys/fs/cgroup';

/** Controllers that a kubelet wants. */
const WANTED = ['cpu', 'cpuset', 'memory', 'pids', 'hugetlb', 'io'];

/** One tree (version 2), or one for each controller (version 1). */
function hierarchies(): readonly string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return readdirSync(ROOT)
    .map((name) => join(ROOT, name))
    .filter((folder) => existsSync(join(folder, 'cgroup.procs')));
}

/**
 * Makes the group under which a kubelet puts its pods, in every hierarchy.
 *
 * @throws the system's error where groups cannot be made here.
 */
export function makeCgroup(name: string): void {
  for (const folder of hierarchies()) {
    if (folder === ROOT) {
      for (const controller of WANTED) {
        try {
          writeFileSync(join(ROOT, 'cgroup.subtree_control'), `+${controller}`);
        } catch {
          // The kernel does not have it, or does not hand it on here. The kubelet says so if it cannot do without.
        }
      }
    }
    const group = join(folder, name);
    mkdirSync(group, {recursive: true});
    // Version 1 gives a new group no processor and no memory node.
    for (const file of folder === ROOT ? [] : ['cpuset.cpus', 'cpuset.mems']) {
      if (existsSync(join(group, file))) writeFileSync(join(group, file), readFileSync(join(folder, file)));
    }
  }
}

/** Removes it with everything below. What ran in it has ended already; the kernel may need a moment to notice. */
export async function removeCgroup(name: string): Promise<void> {
  const groups = hierarchies()
    .map((folder) => join(folder, name))
    .filter((group) => existsSync(group));
  await eventually(
    () => {
      for (const group of groups) if (existsSync(group)) removeTree(group);
    },
    {timeoutMs: 15_000, everyMs: 100},
  );
}

function removeTree(group: string): void {
  for (const entry of readdirSync(group, {withFileTypes: true})) if (entry.isDirectory()) removeTree(join(group, entry.name));
  rmdirSync(group);
}

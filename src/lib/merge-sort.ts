/** Items sorted, or merged, between two looks at the clock. */
const STEP = 4096;

/** Sorts in steps; `pause` is called between them and may let others run. What it throws ends the sorting. Stable; `items` stay as they are. */
export async function mergeSort<T>(items: readonly T[], compare: (a: T, b: T) => number, pause: () => Promise<void> | undefined): Promise<T[]> {
  let runs: T[][] = [];
  for (let from = 0; from < items.length; from += STEP) {
    runs.push(items.slice(from, from + STEP).sort(compare));
    await pause();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) merged.push(await merge(runs[i] as T[], runs[i + 1] ?? [], compare, pause));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
  pause: () => Promise<void> | undefined,
): Promise<T[]> {
  const out: T[] = [];
  const total = left.length + right.length;
  for (let l = 0, r = 0; l + r < total;) {
    const isLeft = r === right.length || (l < left.length && compare(left[l] as T, right[r] as T) <= 0);
    out.push(isLeft ? (left[l++] as T) : (right[r++] as T));
    if (out.length % STEP === 0) await pause();
  }
  return out;
}

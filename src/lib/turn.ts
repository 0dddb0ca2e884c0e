const waiting: (() => void)[] = [];

/**
 * Resolves in a turn of the event loop that nobody else got from here.
 *
 * For work in slices of a few milliseconds: `setImmediate` alone would let one slice of each of many requests run in the same turn.
 */
export function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(next);
  });
}

function next(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(next);
}

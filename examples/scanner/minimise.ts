/** Where a minimisation ended. `evaluations` counts the calls of the function. */
export interface Minimum {
  readonly at: Float64Array;
  readonly value: number;
  readonly evaluations: number;
}

/**
 * Nelder and Mead's downhill simplex: no derivatives needed. Where it has converged with evaluations left, it begins again around the best point,
 * which is the usual guard against a simplex that has collapsed early; so it always uses its budget.
 *
 * @param steps size of the first simplex along each parameter.
 * @param shouldStop asked now and then; true ends it early with the best so far.
 */
export function minimise(
  f: (x: Float64Array) => number,
  start: ArrayLike<number>,
  steps: ArrayLike<number>,
  budget: number,
  shouldStop: () => boolean = () => false,
): Minimum {
  const n = start.length;
  let best = Float64Array.from(start);
  let bestValue = f(best);
  let evaluations = 1;
  let scale = 1;
  while (evaluations + n < budget && !shouldStop()) {
    const points = [best.slice()];
    const values = [bestValue];
    for (let i = 0; i < n; i++) {
      const point = best.slice();
      point[i] = (point[i] as number) + scale * (steps[i] as number);
      points.push(point);
      values.push(f(point));
    }
    evaluations += n;
    evaluations += descend(f, points, values, budget - evaluations, shouldStop);
    const lowest = values.indexOf(Math.min(...values));
    best = points[lowest] as Float64Array<ArrayBuffer>;
    bestValue = values[lowest] as number;
    scale *= 0.5;
  }
  return {at: best, value: bestValue, evaluations};
}

/** Moves the simplex in place until it is flat to 1e-9 or the budget is spent. Returns the evaluations used. */
function descend(f: (x: Float64Array) => number, points: Float64Array[], values: number[], budget: number, shouldStop: () => boolean): number {
  const n = points.length - 1;
  const centre = new Float64Array(n);
  let used = 0;
  for (let round = 0; used < budget; round++) {
    let [low, high, second] = [0, 0, 0];
    for (let i = 1; i <= n; i++) {
      if ((values[i] as number) < (values[low] as number)) low = i;
      if ((values[i] as number) > (values[high] as number)) high = i;
    }
    second = high === 0 ? 1 : 0;
    for (let i = 0; i <= n; i++) if (i !== high && (values[i] as number) > (values[second] as number)) second = i;
    if ((values[high] as number) - (values[low] as number) < 1e-9 || (round % 16 === 15 && shouldStop())) break;

    centre.fill(0);
    for (let i = 0; i <= n; i++)
      if (i !== high) for (let j = 0; j < n; j++) centre[j] = (centre[j] as number) + ((points[i] as Float64Array)[j] as number) / n;
    const worst = points[high] as Float64Array;
    const along = (factor: number): Float64Array => centre.map((c, j) => c + factor * ((worst[j] as number) - c));
    const replace = (point: Float64Array, value: number): void => {
      points[high] = point;
      values[high] = value;
    };

    const reflected = along(-1);
    const reflectedValue = f(reflected);
    used++;
    if (reflectedValue < (values[low] as number)) {
      const expanded = along(-2);
      const expandedValue = f(expanded);
      used++;
      if (expandedValue < reflectedValue) replace(expanded, expandedValue);
      else replace(reflected, reflectedValue);
    } else if (reflectedValue < (values[second] as number)) {
      replace(reflected, reflectedValue);
    } else {
      const contracted = reflectedValue < (values[high] as number) ? along(-0.5) : along(0.5);
      const contractedValue = f(contracted);
      used++;
      if (contractedValue < Math.min(reflectedValue, values[high] as number)) {
        replace(contracted, contractedValue);
      } else {
        const lowest = points[low] as Float64Array;
        for (let i = 0; i <= n; i++) {
          if (i === low) continue;
          points[i] = (points[i] as Float64Array).map((p, j) => (lowest[j] as number) + 0.5 * (p - (lowest[j] as number)));
          values[i] = f(points[i] as Float64Array);
          used++;
        }
      }
    }
  }
  return used;
}

import {argOf, dataOf, unknownJobType} from '../../src/jobs/contract.ts';
import type {Job, JobArgs, JobData, JobFactory, JobId, Return} from '../../src/jobs/contract.ts';

// A module of job classes. In a program of your own the two imports are from `scanplane/jobs`.

/** Splits a range of numbers into parts: sets the argument `parts`, for `each` of the jobs after it. */
class SplitJob implements Job {
  readonly id: JobId;

  constructor(id: JobId) {
    this.id = id;
  }

  create(args: JobArgs): void {
    const upTo = argOf(args, 'up_to', 'number');
    const size = argOf(args, 'size', 'number');
    if (size < 1) throw new Error('size must be 1 or more');
    args['parts'] = Array.from({length: Math.ceil(upTo / size)}, (_, i) => [i * size + 1, Math.min(upTo, (i + 1) * size)]);
  }

  serialize(): string {
    return '';
  }

  deserialize(): void {
    // All its work was done when it was created.
  }

  run(): Return {
    return {state: 'COMPLETE'};
  }

  stop(): void {
    // It is over at once.
  }

  status(): string {
    return 'splitting';
  }
}

/** Counts the primes from `part[0]` to `part[1]`, in small steps, so that it can be stopped and asked how far it is. */
class CountPrimesJob implements Job {
  readonly id: JobId;
  #part: readonly [number, number] = [1, 0];
  #at = 0;
  #isStopped = false;

  constructor(id: JobId) {
    this.id = id;
  }

  create(args: JobArgs): void {
    const part = argOf(args, 'part', 'array');
    if (part.length !== 2 || !part.every((end) => Number.isSafeInteger(end))) throw new Error('part must be two whole numbers');
    this.#part = part as unknown as [number, number];
  }

  serialize(): string {
    return JSON.stringify(this.#part);
  }

  deserialize(bytes: Uint8Array): void {
    this.#part = JSON.parse(Buffer.from(bytes).toString()) as [number, number];
  }

  async run(data: JobData): Promise<Return> {
    const [from, to] = this.#part;
    let count = 0;
    for (this.#at = from; this.#at <= to; this.#at++) {
      if (this.#isStopped) return {state: 'STOPPED', error: `stopped at ${this.#at}`};
      if (isPrime(this.#at)) count++;
      // Now and then everything else gets its turn: without it nobody could stop us, or ask for the status.
      if (this.#at % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    data[`primes_${from}`] = count;
    return {state: 'COMPLETE', stdout: `${count} primes from ${from} to ${to}\n`};
  }

  stop(): void {
    this.#isStopped = true;
  }

  status(): string {
    return `at ${this.#at} of ${this.#part[1]}`;
  }
}

/** Adds up what the jobs before it have counted. */
class SumJob implements Job {
  readonly id: JobId;

  constructor(id: JobId) {
    this.id = id;
  }

  create(): void {
    // It needs no arguments.
  }

  serialize(): string {
    return '';
  }

  deserialize(): void {
    // Nothing was serialised.
  }

  run(data: JobData): Return {
    const keys = Object.keys(data).filter((key) => key.startsWith('primes_'));
    const total = keys.reduce((sum, key) => sum + dataOf(data, key, 'number'), 0);
    data['total'] = total;
    return {state: 'COMPLETE', stdout: `${total} primes\n`};
  }

  stop(): void {
    // It is over at once.
  }

  status(): string {
    return 'adding up';
  }
}

const CLASSES = new Map<string, new (id: JobId) => Job>([
  ['split', SplitJob],
  ['count-primes', CountPrimesJob],
  ['sum', SumJob],
]);

/** What the module has to export. */
export const factory: JobFactory = {
  make: (id) => {
    const Class = CLASSES.get(id.type);
    if (Class === undefined) throw unknownJobType(id.type);
    return new Class(id);
  },
};

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
}

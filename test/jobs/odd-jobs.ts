import {unknownJobType} from '../../src/jobs/contract.ts';
import type {Job, JobArgs, JobData, JobFactory, JobId, Return} from '../../src/jobs/contract.ts';

/** A module of job classes that do everything wrong that one can. The type of a job says what. */

/** A job that is fine, until a type changes something about it. */
class OddJob implements Job {
  id: JobId;
  readonly stopped = Promise.withResolvers<Return>();

  constructor(id: JobId) {
    this.id = id;
  }

  create(_args: JobArgs): void | Promise<void> {
    // nothing to do
  }

  serialize(): Uint8Array | string {
    return 'bytes';
  }

  deserialize(_bytes: Uint8Array): void {
    // nothing to do
  }

  run(_data: JobData): Return | Promise<Return> {
    return {state: 'COMPLETE'};
  }

  stop(): void {
    this.stopped.resolve({state: 'FAIL', exit: 3, error: 'interrupted'});
  }

  status(): string {
    return 'odd';
  }
}

const never = (): Promise<never> => new Promise(() => undefined);

function block(): void {
  for (;;);
}

const HABITS: Readonly<Record<string, (job: OddJob) => void>> = {
  good: () => undefined,
  noop: () => undefined,
  // creation
  'sets-args': (job) => {
    job.create = async (args) => {
      await Promise.resolve();
      args['set'] = ['by', args['given']];
      delete args['given'];
    };
    job.serialize = () => new Uint8Array([0, 255, 7]);
  },
  'create-throws': (job) => {
    job.create = () => {
      throw new Error('no such region');
    };
  },
  'create-blocks': (job) => {
    job.create = () => {
      process.stderr.write('blocking\n');
      block();
    };
  },
  'create-hangs': (job) => {
    job.create = never;
  },
  'create-exits': (job) => {
    job.create = () => process.exit(9);
  },
  'create-speaks-to-its-parent': (job) => {
    job.create = async () => {
      for (const message of [null, 7, 'x', [], {}, {kind: 'made', call: 1}, {kind: 'refused'}, {kind: 'broken'}])
        await new Promise((resolve) => process.send?.(message, undefined, undefined, resolve));
    };
  },
  'sets-a-date': (job) => {
    job.create = (args) => {
      args['when'] = {it: new Date(0)};
    };
  },
  'sets-a-cycle': (job) => {
    job.create = (args) => {
      args['self'] = args;
    };
  },
  'sets-too-much': (job) => {
    job.create = (args) => {
      args['much'] = 'x'.repeat(300_000);
    };
  },
  'serializes-an-object': (job) => {
    job.serialize = () => ({}) as string;
  },
  'says-another-id': (job) => {
    job.id = {...job.id, id: 'zzzz'};
  },
  'tells-its-id-and-environment': (job) => {
    job.create = (args) => {
      Object.assign(args, {id: job.id, env: {...process.env}});
    };
  },
  // a run
  'deserialize-throws': (job) => {
    job.deserialize = () => {
      throw new Error('not my bytes');
    };
  },
  'tells-everything': (job) => {
    let bytes = '';
    job.deserialize = (given) => {
      bytes = Buffer.from(given).toString();
    };
    job.run = (data) => {
      data['mine'] = {bytes, id: job.id, saw: Object.keys(data)};
      data['changed'] = [2];
      process.stdout.write('printed\n');
      return {state: 'COMPLETE', exit: 2n ** 63n - 1n, error: 'a remark', stdout: 'returned', stderr: 'aside'};
    };
  },
  throws: (job) => {
    job.run = () => {
      throw new Error('division by cucumber');
    };
  },
  rejects: (job) => {
    job.run = async () => {
      await Promise.resolve();
      throw 'just text'; // oxlint-disable-line typescript/only-throw-error
    };
  },
  'throws-later': (job) => {
    job.run = () => {
      setTimeout(() => {
        throw new Error('in a callback');
      }, 5);
      return never();
    };
  },
  'rejects-unseen': (job) => {
    job.run = () => {
      void Promise.reject(new Error('nobody waits'));
      return never();
    };
  },
  exits: (job) => {
    job.run = () => process.exit(0);
  },
  'returns-nothing': (job) => {
    job.run = () => undefined as unknown as Return;
  },
  'returns-its-state': (job) => {
    job.run = (data) => ({state: data['state'] as Return['state']});
  },
  'fails-and-sets': (job) => {
    job.run = (data) => {
      data['half'] = 1;
      return {state: 'FAIL', exit: -2, error: new Error('half way')};
    };
  },
  'sets-a-class': (job) => {
    job.run = (data) => {
      data['map'] = new Map();
      return {state: 'COMPLETE'};
    };
  },
  'sets-much': (job) => {
    job.run = (data) => {
      data['much'] = 'x'.repeat(300_000);
      return {state: 'COMPLETE'};
    };
  },
  waits: (job) => {
    job.run = () => job.stopped.promise;
  },
  'waits-and-completes': (job) => {
    job.run = async () => {
      await job.stopped.promise;
      return {state: 'COMPLETE'};
    };
  },
  'stop-throws': (job) => {
    job.run = never;
    job.stop = () => {
      throw new Error('stop is broken');
    };
  },
  blocks: (job) => {
    job.run = () => {
      process.stdout.write('blocking\n');
      block();
      return {state: 'COMPLETE'};
    };
  },
  'has-a-bad-status': (job) => {
    let asked = 0;
    job.status = () => {
      asked++;
      if (asked === 1) throw new Error('no status yet');
      return asked === 2 ? (42 as unknown as string) : `asked\n${'s'.repeat(9000)}`;
    };
    job.run = () => job.stopped.promise;
  },
};

export const factory: JobFactory = {
  make: (id) => {
    const change = HABITS[id.type];
    if (id.type === 'make-returns-nothing') return undefined as unknown as Job;
    if (change === undefined) throw unknownJobType(id.type);
    const job = new OddJob(id);
    change(job);
    return job;
  },
};

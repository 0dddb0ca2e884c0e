import {sleep} from '../../../src/lib/sleep.ts';
import type {SimulatedReplica, Simulation} from './simulation.ts';

/** What may befall a simulation. `gap`: a replica is cut off until what it missed has been compacted away. */
export type Fault =
  | 'kill'
  | 'stop'
  | 'pause'
  | 'cut'
  | 'blackhole'
  | 'lose replies'
  | 'crash of etcd'
  | 'cancelled watches'
  | 'gap'
  | 'lost lease'
  | 'deleted owner';

export const ALL_FAULTS: readonly Fault[] = [
  ...([
    'kill',
    'stop',
    'pause',
    'cut',
    'blackhole',
    'lose replies',
    'crash of etcd',
    'cancelled watches',
    'gap',
    'lost lease',
    'deleted owner',
  ] as const),
];

export interface NemesisOptions {
  readonly faults: readonly Fault[];
  /** How long it goes on, and the longest pause between two faults, in milliseconds. */
  readonly forMs: number;
  readonly everyMs: number;
  /** How many replicas there are to be. */
  readonly replicas: number;
}

/** The longest of what lasts a while: three times a lease's 2 s. */
const LONGEST_MS = 6000;

/**
 * Does harm at random moments, then heals everything and sees to it that all replicas are there again.
 *
 * @returns what it did, one line each
 */
export async function disturb(simulation: Simulation, options: NemesisOptions): Promise<string[]> {
  const {time, random} = simulation;
  const done: string[] = [];
  const under: Promise<void>[] = [];
  const endMs = time.nowMs + options.forMs;
  while (time.nowMs < endMs) {
    await sleep(1 + random() * options.everyMs);
    while (simulation.serving().length < options.replicas) simulation.startReplica();
    const fault = options.faults[simulation.pick(options.faults.length)] as Fault;
    const victim = simulation.alive()[simulation.pick(simulation.alive().length)] as SimulatedReplica;
    done.push(`${time.nowMs.toFixed(3)} ${fault} ${victim.process.name}`);
    under.push(befall(simulation, fault, victim));
  }
  await Promise.all(under);
  for (const replica of simulation.alive()) {
    replica.process.resume();
    replica.link.heal();
  }
  while (simulation.serving().length < options.replicas) simulation.startReplica();
  return done;
}

/** One fault, from its beginning to its end. */
async function befall(simulation: Simulation, fault: Fault, victim: SimulatedReplica): Promise<void> {
  const {etcd, random} = simulation;
  const whileMs = random() * LONGEST_MS;
  switch (fault) {
    case 'kill':
      return victim.kill();
    case 'stop':
      // Nobody waits for it: it may be killed meanwhile.
      void victim.stop().catch(() => {});
      return;
    case 'pause':
      victim.process.pause();
      await sleep(whileMs);
      return victim.process.resume();
    case 'cut':
      return victim.link.cutAll();
    case 'blackhole':
      victim.link.blackhole();
      await sleep(whileMs);
      return victim.link.heal();
    case 'lose replies':
      return victim.link.loseReplies(() => sleep(random() * 300));
    case 'crash of etcd':
      if (etcd.isDown) return;
      etcd.crash();
      await sleep(whileMs / 2);
      return etcd.restart();
    case 'cancelled watches':
      return etcd.cancelWatches('no reason');
    case 'gap':
      victim.link.refuse();
      await sleep(whileMs);
      if (etcd.keys.revision > etcd.keys.compactedTo) etcd.compact(etcd.keys.revision);
      return victim.link.heal();
    case 'lost lease': {
      const lease = etcd.get(`/replica/${victim.id}`)?.lease;
      if (lease !== undefined && !etcd.isDown) etcd.revoke(lease);
      return;
    }
    case 'deleted owner': {
      const owners = ['/deploy/', '/scan/'].flatMap((root) => etcd.list(root)).filter(({key}) => key.endsWith('/owner'));
      const owner = owners[simulation.pick(owners.length)];
      if (owner !== undefined && !etcd.isDown) etcd.delete(owner.key);
      return;
    }
  }
}

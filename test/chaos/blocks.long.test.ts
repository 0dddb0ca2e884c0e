import {readFileSync} from 'node:fs';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect, test} from 'vitest';
import {LocalSystem} from '../../src/cli/local-system.ts';
import {freePort} from '../../src/cli/ports.ts';
import {connect} from '../../src/client/index.ts';
import {sleep} from '../../src/lib/sleep.ts';
import {isPbOver} from '../../src/schema/processing-block.ts';
import {eventually} from '../support/eventually.ts';
import {seededRandom} from '../support/seeded-random.ts';

const BLOCKS = 40;
/** Blocks that wait for each other. */
const GROUP = 8;
const MIN_KILLS = 10;
const DEADLINE_MS = 300_000;
const SCRIPT = fileURLToPath(new URL('../../examples/scripts/process-block.ts', import.meta.url));

test(`${BLOCKS} processing blocks with dependencies are all FINISHED while a replica is killed every second, and the process of each began once`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-blocks-'));
  const begun = join(folder, 'begun');
  await writeFile(begun, '');
  const system = new LocalSystem({
    ...{directory: folder, etcdPort: await freePort(), apiPort: await freePort(), replicas: 3, workers: 4, ttlSeconds: 2, orphanAfterSeconds: 60},
    scannerEnv: [],
  });
  const random = seededRandom(1);
  const idOf = (i: number): string => `pb-chaos-20260101-${String(i).padStart(5, '0')}`;
  try {
    await system.start();
    await using db = connect({endpoints: [system.etcdEndpoint]}, {});
    const command = [
      '/bin/sh',
      '-c',
      `echo "$SCANPLANE_PB_ID begins" >> '${begun}'; '${process.execPath}' '${SCRIPT}'; echo "$SCANPLANE_PB_ID ends with $?" >> '${begun}'`,
    ];
    await db.transact((tx) => tx.scripts.create('batch:chaos:1', {command, env: [['CLAIM_TTL_SECONDS', '60']]}));
    const processing_blocks = Array.from({length: BLOCKS}, (_, i) => {
      const first = i - (i % GROUP);
      const wanted = new Set(Array.from({length: Math.min(i - first, 2)}, () => idOf(first + Math.floor(random() * (i - first)))));
      const dependencies = [...wanted].map((pb_id) => ({pb_id, kind: []}));
      return {pb_id: idOf(i), script: {kind: 'batch', name: 'chaos', version: '1'}, parameters: {up_to: 300_000}, dependencies};
    });
    const answer = await fetch(`${system.address}/v2/eb`, {
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body: JSON.stringify({eb_id: 'eb-chaos-20260101-00000', processing_blocks}),
    });
    expect([answer.status, await answer.text()]).toEqual([201, expect.any(String)]);

    const states = (): Promise<readonly (string | undefined)[]> =>
      Promise.all(processing_blocks.map(({pb_id}) => db.transact(async (tx) => (await tx.processingBlocks.state(pb_id).get())?.status)));
    let kills = 0;
    const deadline = performance.now() + DEADLINE_MS;
    const restarts: Promise<void>[] = [];
    for (let now = await states(); now.some((each) => each === undefined || !isPbOver(each as never)); now = await states()) {
      if (performance.now() > deadline) break;
      await sleep(1000);
      const victims = system.processes.filter(({name}) => name.startsWith('replica-'));
      const victim = victims[Math.floor(random() * victims.length)];
      if (victim === undefined || !system.kill(victim.pid)) continue;
      kills++;
      restarts.push(sleep(200).then(() => void system.startReplica(Number(victim.name.slice('replica-'.length)))));
      const count = (status: string): number => now.filter((each) => each === status).length;
      if (kills % 10 === 0) process.stderr.write(`  ${kills} kills, ${count('FINISHED')} of ${BLOCKS} blocks FINISHED, ${count('RUNNING')} run\n`);
    }
    await Promise.all(restarts);
    expect(await states()).toEqual(processing_blocks.map(() => 'FINISHED'));
    expect(kills, 'the run says nothing: too few kills').toBeGreaterThanOrEqual(MIN_KILLS);
    // A process ends a little after its block.
    await eventually(
      () => {
        const lines = readFileSync(begun, 'utf8').trim().split('\n');
        expect(lines.toSorted()).toEqual(processing_blocks.flatMap(({pb_id}) => [`${pb_id} begins`, `${pb_id} ends with 0`]));
      },
      {timeoutMs: 15_000},
    );
  } finally {
    await system.stop();
    await rm(folder, {recursive: true, force: true, maxRetries: 5});
  }
});

// `node inside.ts RUN_FOLDER COMMAND…`: within the rig's namespaces, starts the cluster and runs the command beside it. Ends as the command does;
// the cluster ends with the namespaces.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {constants} from 'node:os';
import {argv, env} from 'node:process';
import {must} from '../../../src/lib/assert.ts';
import {startCluster} from './cluster.ts';
import {COMPONENTS} from './components.ts';
import {logTail, runningComponent} from './control.ts';
import {readRig} from './rig-files.ts';
import {RECIPE} from './recipe.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(folder: string, program: string, args: readonly string[]): Promise<number> {
  const rig = await readRig(folder);
  const startedAt = performance.now();
  say(`Starting Kubernetes ${RECIPE.version.gitVersion} …`);
  let rigEnv: Readonly<Record<string, string>> = {SCANPLANE_RIG: folder};
  try {
    await startCluster(rig);
    say(`Kubernetes is up after ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  } catch (err) {
    // A machine of CI may be one on which it cannot; a person wants to know.
    if (!env['CI']) throw err;
    const [reason = ''] = (err as Error).message.split('\n');
    say(`SKIPPED: Kubernetes did not start: ${(err as Error).message}`);
    rigEnv = {SCANPLANE_RIG_WHY_NOT: `it did not start: ${reason}`};
  }
  // Ctrl-C is for the command.
  process.on('SIGINT', () => {});
  const child = spawn(program, args, {stdio: 'inherit', env: {...env, ...rigEnv}});
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  for (const name of COMPONENTS) {
    if ((await runningComponent(rig, name)) === undefined) say(`${name} does not run any more. The end of its log: ${await logTail(rig, name)}`);
  }
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

try {
  const [folder, program, ...args] = argv.slice(2);
  process.exitCode = await main(must(folder, 'a run folder is given'), must(program, 'a command is given'), args);
} catch (err) {
  say((err as Error).message);
  process.exitCode = 1;
}
// Components that we started are children of ours, and would keep us waiting.
process.exit();

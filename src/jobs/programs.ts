import {fileURLToPath} from 'node:url';

/** Where a program of ours lies beside this file, run from source or built. */
function program(name: string): string {
  return fileURLToPath(new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
}

const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'] as const;

/** The command line of the job host, on this machine. */
export const JOB_HOST: readonly string[] = [process.execPath, ...NODE_FLAGS, program('host')];

/** The program that makes jobs of classes, and Node's flags for it. */
export const JOB_MAKER = {path: program('maker-process'), flags: NODE_FLAGS} as const;

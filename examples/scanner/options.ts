import {parseProgression, ProgressionError} from './plan.ts';
import type {Level} from './plan.ts';

/** A command line or environment that cannot be run; the text is for whoever typed it. */
export class UsageError extends Error {}

export interface ServerOptions {
  readonly recoAlgo: string;
  readonly clientStartupJson: string;
  readonly levels: readonly Level[];
  readonly isRealEvent: boolean;
  /** 0 to 1: the part of a resolution that must be done before the next begins. */
  readonly threshold: number;
  readonly skydriver: {readonly address: string; readonly token: string; readonly scanId: string};
  readonly progressIntervalMs: number;
  readonly resultIntervalMs: number;
  readonly killSwitchIntervalMs: number;
  readonly workforceIntervalMs: number;
  /** Without a single pixel for this long the server gives up. */
  readonly silenceMs: number;
  readonly leaseMs: number;
  readonly bind: string;
}

export interface WorkerOptions {
  readonly clientStartupJson: string;
  /** Scales the CPU time per pixel. */
  readonly work: number;
  /** Seconds; a pixel that takes longer keeps the best so far. */
  readonly maxPixelSeconds: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;
/** The values behind each option; an option may have none. */
type Arguments = ReadonlyMap<string, readonly string[]>;

/** `unknown` names the options that were passed over. @throws UsageError */
export function serverOptions(argv: readonly string[], env: Environment): {options: ServerOptions; unknown: readonly string[]} {
  const known = ['reco-algo', 'client-startup-json', 'nsides', 'real-event', 'simulated-event', 'predictive-scanning-threshold', 'cache-dir'];
  const args = parseArguments(argv);
  if (args.has('real-event') === args.has('simulated-event')) throw new UsageError('give one of --real-event and --simulated-event');
  const threshold = Number(args.get('predictive-scanning-threshold')?.[0] ?? 1);
  if (!(threshold >= 0 && threshold <= 1)) throw new UsageError('--predictive-scanning-threshold must be between 0 and 1');
  const address = env['SKYSCAN_SKYDRIVER_ADDRESS'] ?? '';
  if (!URL.canParse(address)) throw new UsageError('SKYSCAN_SKYDRIVER_ADDRESS must be the base URL of the API');
  const scanId = env['SKYSCAN_SKYDRIVER_SCAN_ID'] ?? '';
  if (scanId === '') throw new UsageError('SKYSCAN_SKYDRIVER_SCAN_ID is not set');
  const options: ServerOptions = {
    recoAlgo: single(args, 'reco-algo'),
    clientStartupJson: single(args, 'client-startup-json'),
    levels: progression(args.get('nsides') ?? []),
    isRealEvent: args.has('real-event'),
    threshold,
    skydriver: {address, token: env['SKYSCAN_SKYDRIVER_AUTH'] ?? '', scanId},
    progressIntervalMs: seconds(env, 'SKYSCAN_PROGRESS_INTERVAL_SEC', 60),
    resultIntervalMs: seconds(env, 'SKYSCAN_RESULT_INTERVAL_SEC', 120),
    killSwitchIntervalMs: seconds(env, 'SKYSCAN_KILL_SWITCH_CHECK_INTERVAL', 300),
    workforceIntervalMs: seconds(env, 'SCANNER_WORKFORCE_INTERVAL_SEC', 30),
    silenceMs: seconds(env, 'SKYSCAN_MQ_TIMEOUT_FROM_CLIENTS', 3 * 86_400),
    leaseMs: seconds(env, 'SCANNER_LEASE_SEC', 60),
    bind: env['SCANNER_BIND'] ?? env['SCANPLANE_POD_IP'] ?? '127.0.0.1',
  };
  return {options, unknown: [...args.keys()].filter((name) => !known.includes(name))};
}

/** @throws UsageError */
export function workerOptions(argv: readonly string[], env: Environment): {options: WorkerOptions; unknown: readonly string[]} {
  const known = ['client-startup-json', 'max-pixel-reco-time'];
  const args = parseArguments(argv);
  const limit = args.get('max-pixel-reco-time')?.[0] ?? env['SCANNER_MAX_PIXEL_RECO_TIME'] ?? env['EWMS_PILOT_TASK_TIMEOUT'];
  const maxPixelSeconds = limit === undefined || limit === '' ? undefined : Number(limit);
  if (maxPixelSeconds !== undefined && !(maxPixelSeconds > 0)) throw new UsageError('the limit of time per pixel must be above 0 seconds');
  const work = Number(env['SCANNER_PIXEL_WORK'] ?? 1);
  if (!(work >= 0 && work <= 1e6)) throw new UsageError('SCANNER_PIXEL_WORK must be between 0 and 1000000');
  const options = {clientStartupJson: single(args, 'client-startup-json'), work, maxPixelSeconds};
  return {options, unknown: [...args.keys()].filter((name) => !known.includes(name))};
}

function parseArguments(argv: readonly string[]): Arguments {
  const args = new Map<string, string[]>();
  let values: string[] | undefined;
  for (const text of argv) {
    const option = /^--([^=]+)(?:=(.*))?$/s.exec(text);
    if (option === null) {
      if (values === undefined) throw new UsageError(`'${text}' belongs to no option`);
      values.push(text);
      continue;
    }
    values = option[2] === undefined ? [] : [option[2]];
    args.set(option[1] as string, values);
  }
  return args;
}

function single(args: Arguments, name: string): string {
  const values = args.get(name) ?? [];
  if (values.length !== 1 || values[0] === undefined) throw new UsageError(`--${name} needs one value`);
  return values[0];
}

function progression(texts: readonly string[]): Level[] {
  try {
    return parseProgression(texts);
  } catch (err) {
    if (err instanceof ProgressionError) throw new UsageError(`--nsides: ${err.message}`);
    throw err;
  }
}

/** An environment variable in seconds, as milliseconds; what is no number above 0 counts as not set. A timer holds 24 days at most. */
function seconds(env: Environment, name: string, byDefault: number): number {
  const value = Number(env[name] ?? byDefault);
  return Math.min(1000 * (value > 0 ? value : byDefault), 2 ** 31 - 1);
}

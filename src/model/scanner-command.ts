import {olderEnvironment} from './older-environment.ts';
import {scannerGeneration} from './scanner-generation.ts';
import type {Scalar, SkymapSpec, SkymapRequest} from '../schema/scan.ts';

/** Where the scanner finds its files: names relative to the folder that all jobs of a scan share. */
export const STARTUP_JSON = 'startup.json';

/** A number or truth value as Python's `str()` writes it; the scanner and its users expect that on command lines. */
export function pythonText(value: Scalar): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  return typeof value === 'number' && !Number.isInteger(value) ? pythonFloat(value) : String(value);
}

/** A fractional number as Python's `repr()` writes a float: `1.0`, `0.1`, `1e-05`. */
export function pythonFloat(value: number): string {
  if (Number.isInteger(value)) return `${value}.0`;
  // Python changes to an exponent earlier than JavaScript, and gives it two digits.
  const text = Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

const REAL = new Set(['real', 'real_event']);

/** The scanner server's arguments, in SkyDriver's order. */
export function scannerServerArguments(request: SkymapRequest, cacheDir: string, startupJson: string): string[] {
  const threshold = request.predictive_scanning_threshold;
  // Every manifest shows them: no lists inside the list.
  const args = ['--reco-algo', request.reco_algo, '--cache-dir', cacheDir, '--client-startup-json', startupJson, '--nsides'];
  for (const [nside, extension] of request.nsides) args.push(`${nside}:${String(extension)}`);
  args.push(REAL.has(request.real_or_simulated_event) ? '--real-event' : '--simulated-event');
  args.push('--predictive-scanning-threshold', pythonFloat(threshold));
  return args;
}

/** The API's address as the scan's scanner is to use it: with the version that it was written for, if that is an older one. */
export function addressFor(spec: SkymapSpec, address: string): string {
  const generation = scannerGeneration(spec);
  return generation === undefined ? address : `${address}/${generation}`;
}

/** The scanner server's environment, in SkyDriver's order; what the user gave comes last and wins. */
export function scannerEnvironment(scanId: string, spec: SkymapSpec, address: string, token: string): [string, string][] {
  return [
    ['SKYSCAN_SKYDRIVER_ADDRESS', addressFor(spec, address)],
    ['SKYSCAN_SKYDRIVER_SCAN_ID', scanId],
    ['SKYSCAN_SKYDRIVER_AUTH', token],
    ...olderEnvironment(spec.request),
    ...spec.request.scanner_server_env_from_user.map(([name, value]): [string, string] => [name, pythonText(value)]),
  ];
}

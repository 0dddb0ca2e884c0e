import {ControlPlaneError} from '../lib/errors.ts';

/** Which levels of keys a list shows, counted from the path's own: a number stands for all from 0 up to it, a set for exactly these. Default 0. */
export type Levels = number | Iterable<number>;

/** Slashes in a path. */
export function levelOf(path: string): number {
  let level = 0;
  for (let i = path.indexOf('/'); i !== -1; i = path.indexOf('/', i + 1)) level += 1;
  return level;
}

/** @throws ControlPlaneError `invalid`: no path that one key may have */
export function checkKey(key: string): void {
  checkPath(key);
  if (key.endsWith('/')) throw new ControlPlaneError('invalid', `a path must not have a trailing "/": ${key}`, {key});
}

/** @throws ControlPlaneError `invalid`: no path that keys may begin with */
export function checkPath(path: string): void {
  if (typeof path !== 'string' || !/^[/~]/.test(path)) throw new ControlPlaneError('invalid', `a path must start with "/": ${path}`, {key: path});
}

/** Keys whose text starts with a path, at some levels. */
export interface Listing {
  readonly path: string;
  readonly has: (key: string) => boolean;
  /** Equal for listings of the same keys. */
  readonly id: string;
}

/** @throws ControlPlaneError `invalid`: a path without "/" in front, or a level that is no whole number from 0 on */
export function listing(path: string, levels: Levels = 0): Listing {
  checkPath(path);
  const own = levelOf(path);
  if (typeof levels === 'number') {
    checkLevel(levels, path);
    return {path, has: (key) => key.startsWith(path) && levelOf(key) - own <= levels, id: `${path} ..${levels}`};
  }
  const set = new Set(levels);
  for (const level of set) checkLevel(level, path);
  return {path, has: (key) => key.startsWith(path) && set.has(levelOf(key) - own), id: `${path} ${[...set].sort((a, b) => a - b).join()}`};
}

function checkLevel(level: number, key: string): void {
  if (!Number.isInteger(level) || level < 0) throw new ControlPlaneError('invalid', `a level must be a whole number from 0 on, not ${level}`, {key});
}

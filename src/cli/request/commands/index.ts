import type {Command} from '../command.ts';
import {resume, retry, stop, suspend} from './change.ts';
import {find} from './find.ts';
import {help} from './help.ts';
import {info} from './info.ts';
import {log} from './log.ts';
import {ps} from './ps.ts';
import {running} from './running.ts';
import {start} from './start.ts';
import {status} from './status.ts';
import {version} from './version.ts';

/** Every command, in the order in which help lists them. */
export const COMMANDS: readonly Command[] = [start, stop, suspend, resume, retry, status, info, ps, log, find, running, help, version];

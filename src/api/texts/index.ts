import type {TextSetName} from '../../config.ts';
import type {Generation} from '../generation.ts';
import type {TextSet} from './text-set.ts';
import {v0} from './v0.ts';
import {v1} from './v1.ts';
import {v2_4} from './v2-4.ts';
import {v2Main} from './v2-main.ts';
import {v2Next} from './v2-next.ts';

const TEXTS_OF_V2 = {'v2-main': v2Main, 'v2-next': v2Next, 'v2.4': v2_4} as const satisfies Record<TextSetName, TextSet>;

/** The words for each version of the API; `name` says in which of its words version 2 speaks. */
export function textsByGeneration(name: TextSetName = 'v2-main'): Readonly<Record<Generation, TextSet>> {
  return {v2: TEXTS_OF_V2[name], v1, v0};
}

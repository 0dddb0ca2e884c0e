import type {TextSet} from './text-set.ts';
import {v1} from './v1.ts';
import {v2Main} from './v2-main.ts';

/** SkyDriver 2.4, which checked requests as version 1 did, and told of anything else in version 2's words. */
export const v2_4: TextSet = {...v1, argument: v2Main.argument, twoNames: (name) => `Provide only one value for '${name}'`};

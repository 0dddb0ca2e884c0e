import type {TextSet} from './text-set.ts';
import {v2Main} from './v2-main.ts';

/** SkyDriver 2 as its next version is written: what is not there is named by its collection. */
export const v2Next: TextSet = {...v2Main, missing: (collection) => `Object not found in '${collection}' collection`};

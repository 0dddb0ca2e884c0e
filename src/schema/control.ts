import {parserFor} from './validate.ts';

/** `hold`: not to be begun before somebody starts it. */
export const DESIRED = ['run', 'hold', 'suspend', 'stop'] as const;
export type Desired = (typeof DESIRED)[number];

/** More workers, asked for while the scan runs. `id` makes asking twice harmless. */
export interface ExtraWorkers {
  readonly id: string;
  readonly cluster: string;
  readonly count: number;
}

/**
 * `/scan/[id]/control`: what the user wants now. An absent key means {@link DEFAULT_CONTROL}.
 *
 * `generation` counts the changes; `updated_at` is seconds since 1970. An operator may write `{"desired":"stop"}` and nothing else.
 */
export interface Control {
  readonly desired: Desired;
  readonly generation: number;
  readonly is_deleted: boolean;
  readonly priority?: number;
  readonly extra_workers: readonly ExtraWorkers[];
  readonly replaced_by_scan_id?: string;
  readonly updated_at?: number;
  /** The attempt that is asked for: above that of a terminal state, the request is to run again, from what did not complete. */
  readonly attempt?: number;
}

export const DEFAULT_CONTROL: Control = {desired: 'run', generation: 0, is_deleted: false, extra_workers: []};

export const controlSchema = {
  type: 'object',
  properties: {
    desired: {enum: DESIRED, default: 'run'},
    generation: {type: 'integer', minimum: 0, default: 0},
    is_deleted: {type: 'boolean', default: false},
    priority: {type: 'integer'},
    extra_workers: {
      type: 'array',
      default: [],
      items: {
        type: 'object',
        required: ['id', 'cluster', 'count'],
        properties: {id: {type: 'string'}, cluster: {type: 'string'}, count: {type: 'integer', minimum: 1}},
      },
    },
    replaced_by_scan_id: {type: 'string'},
    updated_at: {type: 'number'},
    attempt: {type: 'integer', minimum: 1},
  },
} as const;

export const parseControl = parserFor<Control>('control', controlSchema);

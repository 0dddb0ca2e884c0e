import {parserFor} from './validate.ts';

/** `/scan/[id]/admission`: that it may run. The used capacity of a cluster is the sum of the slots granted on it; one slot is one worker process. */
export interface Admission {
  readonly attempt: number;
  /** Cluster name → worker slots granted, at least 1 each. */
  readonly slots: Readonly<Record<string, number>>;
  readonly admitted_at: string;
  /** Why fewer were granted than asked, in words. */
  readonly short?: string;
  /** Its workers are none of ours: its clusters are external, or its workflow was handed over before. */
  readonly external?: true;
  /** Of those alone their server is: a cluster with engine `kubernetes`. It takes no slot there. */
  readonly server_cluster?: string;
}

export const admissionSchema = {
  type: 'object',
  required: ['slots'],
  properties: {
    attempt: {type: 'integer', minimum: 1, default: 1},
    slots: {type: 'object', additionalProperties: {type: 'integer', minimum: 0}},
    admitted_at: {type: 'string', default: ''},
    short: {type: 'string'},
    external: {const: true},
    server_cluster: {type: 'string', minLength: 1},
  },
} as const;

export const parseAdmission = parserFor<Admission>('admission', admissionSchema);

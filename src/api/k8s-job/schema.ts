import {freeFormObject} from '../openapi/common.ts';

/** A scan's Kubernetes job. @see SkyDriver 2.x SkyscanK8sJob */
export const k8sJobSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['scan_id', 'skyscan_k8s_job_dict', 'k8s_started_ts'],
  properties: {
    scan_id: {type: 'string'},
    skyscan_k8s_job_dict: freeFormObject,
    k8s_started_ts: {type: ['number', 'null'], description: 'Seconds since 1970; null: not started yet.'},
  },
} as const;

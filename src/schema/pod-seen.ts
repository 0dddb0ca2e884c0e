/** What is kept of a pod, for those who ask how a scan's pods are or were. Names of values are Kubernetes', times RFC 3339; what is absent was not said. */
export interface PodSeen {
  readonly name: string;
  readonly phase: string;
  readonly reason?: string;
  readonly message?: string;
  readonly started_at?: string;
  readonly pod_ip?: string;
  readonly host_ip?: string;
  readonly qos_class?: string;
  /** Those that do not hold: why it has no node, say. */
  readonly conditions?: readonly PodCondition[];
  readonly containers: readonly ContainerSeen[];
}

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly last_transition_time?: string;
}

export interface ContainerSeen {
  readonly name: string;
  readonly is_init?: true;
  readonly image?: string;
  readonly ready?: true;
  readonly restart_count?: number;
  readonly waiting?: {readonly reason?: string; readonly message?: string};
  readonly running?: {readonly started_at?: string};
  readonly terminated?: {
    readonly exit_code: number;
    readonly signal?: number;
    readonly reason?: string;
    readonly message?: string;
    readonly started_at?: string;
    readonly finished_at?: string;
  };
}

/** Of one try that many pods are kept, the newest: the rest of a large workforce looks much like them. */
export const PODS_KEPT = 32;

const text = {type: 'string'} as const;

const stateSchema = {type: 'object', properties: {reason: text, message: text, started_at: text, finished_at: text}} as const;

export const podSeenSchema = {
  type: 'object',
  required: ['name', 'phase', 'containers'],
  properties: {
    ...{name: text, phase: text, reason: text, message: text, started_at: text, pod_ip: text, host_ip: text, qos_class: text},
    conditions: {
      type: 'array',
      items: {type: 'object', required: ['type', 'status'], properties: {type: text, status: text, reason: text, message: text}},
    },
    containers: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name'],
        properties: {name: text, image: text, restart_count: {type: 'integer'}, waiting: stateSchema, running: stateSchema, terminated: stateSchema},
      },
    },
  },
} as const;

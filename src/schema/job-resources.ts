/** Kubernetes quantities by resource: `{memory: '1G', cpu: '0.5'}`. */
export interface JobResources {
  readonly limits?: Readonly<Record<string, string>>;
  readonly requests?: Readonly<Record<string, string>>;
}

/** A number with a unit. @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
export const QUANTITY = /^[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/;

const quantities = {type: 'object', additionalProperties: {type: 'string', pattern: QUANTITY.source}} as const;

export const jobResourcesSchema = {type: 'object', additionalProperties: false, properties: {limits: quantities, requests: quantities}} as const;

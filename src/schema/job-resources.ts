/** Kubernetes quantities by resource: `{memory: '1G', cpu: '0.5'}`. */
export interface JobResources {
  readonly limits?: Readonly<Record<string, string>>;
  readonly requests?: Readonly<Record<string, string>>;
}

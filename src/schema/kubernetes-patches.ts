import {QUANTITY} from './job-resources.ts';
import type {JsonSchema} from './validate.ts';

// What an operator may change of the objects that the Kubernetes engine makes, by JSON merge patches: `null` removes a member. What is not named here is
// refused when the cluster's key is read, since API servers drop fields that they do not know without a word.

const orNull = (type: string, more: JsonSchema = {}): JsonSchema => ({type: [type, 'null'], ...more});
const text = orNull('string');
const flag = orNull('boolean');
const whole = orNull('integer');
const object = orNull('object');
const texts = orNull('object', {additionalProperties: orNull('string')});
/** Names with our prefix say what is ours. */
const marks = orNull('object', {propertyNames: {pattern: '^(?!scanplane/)'}, additionalProperties: orNull('string')});
const objects = orNull('array', {items: {type: 'object'}});
const named = orNull('array', {items: {type: 'object', required: ['name'], properties: {name: {type: 'string', minLength: 1}}}});
const strings = orNull('array', {items: {type: 'string'}});
const fields = (properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({type: 'object', additionalProperties: false, properties});
const quantity: JsonSchema = {type: ['string', 'number', 'null'], pattern: QUANTITY.source};
const quantities: JsonSchema = orNull('object', {additionalProperties: quantity});

const resources = orNull('object', {
  additionalProperties: false,
  properties: {limits: quantities, requests: quantities, claims: named},
});

const metadata = fields({labels: marks, annotations: marks});

/** Of each pod. `containers` are the job itself and cannot be replaced. @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ */
export const podPatchSchema = fields({
  metadata: fields({labels: marks, annotations: marks, finalizers: strings}),
  spec: fields({
    ...{activeDeadlineSeconds: whole, affinity: object, automountServiceAccountToken: flag, dnsConfig: object, dnsPolicy: text},
    ...{enableServiceLinks: flag, hostAliases: objects, hostIPC: flag, hostNetwork: flag, hostPID: flag, hostUsers: flag, hostname: text},
    ...{imagePullSecrets: named, initContainers: named, nodeName: text, nodeSelector: texts, os: object, overhead: texts, preemptionPolicy: text},
    ...{priority: whole, priorityClassName: text, readinessGates: objects, resourceClaims: named, restartPolicy: text, runtimeClassName: text},
    ...{schedulerName: text, schedulingGates: named, securityContext: object, serviceAccountName: text, setHostnameAsFQDN: flag},
    ...{shareProcessNamespace: flag, subdomain: text, terminationGracePeriodSeconds: whole, tolerations: objects},
    ...{topologySpreadConstraints: objects, volumes: named},
  }),
});

/** Of the container of the job itself. @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container */
export const containerPatchSchema = fields({
  ...{
    name: text,
    image: text,
    imagePullPolicy: text,
    command: strings,
    args: strings,
    workingDir: text,
    ports: objects,
    env: named,
    envFrom: objects,
  },
  ...{resources, volumeMounts: named, volumeDevices: named, lifecycle: object, livenessProbe: object, readinessProbe: object},
  ...{startupProbe: object, securityContext: object, stdin: flag, stdinOnce: flag, tty: flag, terminationMessagePath: text},
  ...{terminationMessagePolicy: text, restartPolicy: text, resizePolicy: objects},
});

/** Of the Job around the pods: how many of them run, and how often, is the engine's. */
export const jobPatchSchema = fields({metadata, spec: fields({activeDeadlineSeconds: {type: 'integer', minimum: 1}})});

import {must} from '../../src/lib/assert.ts';
import type {DeployRecord, EbRecord, PbRecord, ScriptRecord} from '../../src/model/block-record.ts';
import {DependencyCircles} from '../../src/model/dependency-circles.ts';
import {dependenciesOf} from '../../src/model/pb-dependencies.ts';
import type {BlockLookups} from '../../src/model/pb-facts.ts';
import {blocksOf} from '../../src/model/script-deployment.ts';
import type {Admission} from '../../src/schema/admission.ts';
import type {Deployment, DeploymentState} from '../../src/schema/deployment.ts';
import {parseExecutionBlock} from '../../src/schema/execution-block.ts';
import {parseProcessingBlock} from '../../src/schema/processing-block.ts';
import type {PbState} from '../../src/schema/processing-block.ts';
import type {BadEntry} from '../../src/model/scan-record.ts';
import {entry} from './builders.ts';

/** Records of blocks as the watch cache would have them. Revisions: blocks 10, what belongs to them 20, unless said otherwise. */

export interface PbParts {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly state?: PbState;
  readonly isClaimed?: boolean;
  readonly admission?: Admission;
  /** Create revision of the state, the admission and the owner. */
  readonly since?: number;
}

/** A batch block of the script `batch:vis:1.0`. */
export function aPb(id: string, parts: PbParts = {}): PbRecord {
  const {state, admission, isClaimed = false, since = 20} = parts;
  const spec = {pb_id: id, eb_id: null, script: {kind: 'batch', name: 'vis', version: '1.0'}, ...parts.spec};
  const owner = {command: [], hostname: 'h', pid: 1, replica: 'x', since: ''};
  return {
    id,
    spec: entry(parseProcessingBlock(JSON.stringify(spec), `/pb/${id}`), 10),
    ...(state === undefined ? {} : {state: entry(state, since)}),
    ...(admission === undefined ? {} : {admission: entry(admission, since)}),
    ...(isClaimed ? {owner: entry(owner, since, '7')} : {}),
  };
}

export function realtime(ebId: string | null = null): Readonly<Record<string, unknown>> {
  return {eb_id: ebId, script: {kind: 'realtime', name: 'receive', version: '1.0'}};
}

export const dependsOn = (...ids: readonly string[]): Readonly<Record<string, unknown>> => ({
  dependencies: ids.map((pb_id) => ({pb_id, kind: ['vis']})),
});

export function anEb(id: string, status: string): EbRecord {
  return {id, spec: entry(parseExecutionBlock(JSON.stringify({eb_id: id, status}), `/eb/${id}`), 10)};
}

export function aDeployment(id: string, more: Partial<Deployment> = {}, state?: Partial<DeploymentState>, since = 20): DeployRecord {
  return {
    id,
    spec: entry({id, type: 'job', args: {command: ['any']}, ...more}, since),
    ...(state === undefined ? {} : {state: entry({status: 'RUNNING', tries_total: 1, failures: 0, tries: [], of: since, ...state}, since)}),
  };
}

export function bad(key: string, revision = 20): BadEntry {
  return {key, reason: 'not JSON', createRevision: revision, modRevision: revision, lease: '0'};
}

export interface World {
  readonly pbs?: readonly PbRecord[];
  readonly ebs?: readonly EbRecord[];
  readonly deployments?: readonly DeployRecord[];
  readonly scripts?: readonly ScriptRecord[];
  readonly clusters?: Readonly<Record<string, 'there' | 'damaged'>>;
}

/** Everything that is stored, for a decision. There is the cluster `local`, and the scripts `batch:vis:1.0` and `realtime:receive:1.0`, unless said otherwise. */
export function lookups(world: World): BlockLookups {
  const scripts = ['batch:vis:1.0', 'realtime:receive:1.0'].map((id): ScriptRecord => ({id, spec: entry({image: 'i', command: ['c']}, 5)}));
  const {pbs = [], ebs = [], deployments = [], clusters = {local: 'there'}} = world;
  const find =
    <R extends {readonly id: string}>(records: readonly R[]) =>
    (id: string): R | undefined =>
      records.find((record) => record.id === id);
  const dependencies = (id: string): readonly string[] => {
    const record = find(pbs)(id);
    return record?.spec === undefined ? [] : dependenciesOf(record.spec.value);
  };
  const hasDependents = (id: string): boolean => pbs.some((record) => dependencies(record.id).includes(id));
  const circles = new DependencyCircles({dependenciesOf: dependencies, hasDependents});
  return {
    pb: find(pbs),
    eb: find(ebs),
    script: find([...(world.scripts ?? []), ...scripts]),
    deployment: find(deployments),
    deploymentsOf: (id) => deployments.filter((record) => blocksOf(record).includes(id)).map((record) => record.id),
    cluster: (name) => clusters[name] ?? 'absent',
    circleOf: (id) => circles.circleOf(id),
  };
}

/** The value that a write puts under a key. */
export function valueOf(ops: readonly ({readonly put: string; readonly value: string} | {readonly delete: string})[], key: string): unknown {
  const op = ops.find((each) => 'put' in each && each.put === key);
  return JSON.parse((must(op, `writes ${key}`) as {readonly value: string}).value);
}

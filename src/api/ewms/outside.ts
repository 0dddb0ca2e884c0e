import type {Context} from 'koa';
import type {Taskforce} from '../../ewms/client.ts';
import type {Scan} from '../../model/manifest.ts';
import {deactivationOf, scanCode} from '../../model/scan-codes.ts';
import {presentTaskforces} from '../../model/taskforce.ts';
import type {OwnTaskforce} from '../../model/taskforce.ts';
import {presentWorkforce, workforceOf} from '../../model/workforce.ts';
import type {Workforce} from '../../model/workforce.ts';
import type {RouteDeps} from '../deps.ts';

/** What a status tells of a scan's workflow. */
export interface WorkflowView {
  readonly code: string;
  /** As its workload manager says it; our own decision until that has heard of it, or while it is away. */
  readonly deactivated: string | null;
  readonly workforce: Workforce;
}

/** The workflow of a scan: of one that was handed over, what the outside workload manager says; else what our own jobs say. Never waits long. */
export async function viewWorkflow(deps: RouteDeps, ctx: Context, scan: Scan): Promise<WorkflowView> {
  const [said, workforce] = await Promise.all([deactivatedOutside(deps, ctx, scan), viewWorkforce(deps, ctx, scan)]);
  const deactivated = said ?? deactivationOf(scan);
  return {code: scanCode(scan, deactivated), deactivated, workforce};
}

export async function viewWorkforce(deps: RouteDeps, ctx: Context, scan: Scan): Promise<Workforce> {
  const taskforces = await taskforcesOutside(deps, ctx, scan);
  return taskforces === undefined ? presentWorkforce(scan) : workforceOf(scan.ewms?.value.workflow_id ?? '', taskforces);
}

export async function viewTaskforces(deps: RouteDeps, ctx: Context, scan: Scan): Promise<readonly (Taskforce | OwnTaskforce)[]> {
  return (await taskforcesOutside(deps, ctx, scan)) ?? presentTaskforces(scan, (name) => deps.cache.clusters.get(name)?.value);
}

async function deactivatedOutside(deps: RouteDeps, ctx: Context, scan: Scan): Promise<string | null> {
  if (deps.ewms === undefined || scan.ewms === undefined) return null;
  const {value, isStale} = await deps.ewms.workflow(scan.ewms.value.workflow_id);
  if (isStale) warn(ctx);
  return value?.deactivated ?? null;
}

/** `undefined`: the scan's workers are ours. */
async function taskforcesOutside(deps: RouteDeps, ctx: Context, scan: Scan): Promise<readonly Taskforce[] | undefined> {
  if (deps.ewms === undefined || scan.ewms === undefined) return undefined;
  const {value, isStale} = await deps.ewms.taskforces(scan.ewms.value.workflow_id);
  if (isStale) warn(ctx);
  return value ?? [];
}

const EWMS_AWAY = '110 - "EWMS is away"';

function warn(ctx: Context): void {
  const given = ctx.res.getHeader('Warning');
  if (!(Array.isArray(given) ? given : [given]).includes(EWMS_AWAY)) ctx.append('Warning', EWMS_AWAY);
}

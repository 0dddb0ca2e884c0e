import type {Job, JobTry} from '../schema/job.ts';
import type {ScanRecord} from './scan-record.ts';

/** What version 1 tells of a scan's pods. The message has two names: its manual used one, its server the other. */
export interface PodStatuses {
  readonly pod_status: Readonly<Record<string, PodStatus>>;
  readonly pod_message: string;
  readonly pod_status_message: string;
}

/** The part of a Kubernetes PodStatus that every engine can fill in. Times are RFC 3339. */
interface PodStatus {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly start_time: string | null;
  readonly message: string | null;
  readonly container_statuses: readonly {
    readonly name: string;
    readonly restart_count: number;
    readonly state: Readonly<Record<'waiting' | 'running' | 'terminated', Readonly<Record<string, unknown>> | null>>;
  }[];
}

/** The newest try of each of the scan's jobs, as a pod. @see SkyDriver 1.3, GET /scan/ID/status */
export function podStatuses(scan: ScanRecord): PodStatuses {
  const pods: Record<string, PodStatus> = {};
  for (const [name, {value: job}] of scan.jobs ?? []) {
    const newest = job.tries.at(-1);
    if (newest !== undefined) pods[`skyscan-${scan.id}-${name}-${newest.try}`] = podStatus(name, job, newest);
  }
  const hasPods = Object.keys(pods).length > 0;
  const message = hasPods ? 'retrieved' : scan.backlog === undefined ? 'pod(s) not found' : 'in backlog';
  return {pod_status: pods, pod_message: message, pod_status_message: message};
}

function podStatus(name: string, job: Job, {exit, handle, intent_at, started_at}: JobTry): PodStatus {
  const isRunning = exit === undefined && handle !== undefined;
  const phase = exit === undefined ? (isRunning ? 'Running' : 'Pending') : exit.code === 0 ? 'Succeeded' : 'Failed';
  const startedAt = started_at ?? (isRunning ? intent_at : null);
  return {
    phase,
    start_time: startedAt,
    message: exit?.reason ?? null,
    container_statuses: [
      {
        name,
        restart_count: job.tries_total - 1,
        state: {
          waiting: phase === 'Pending' ? {reason: 'ContainerCreating'} : null,
          running: isRunning ? {started_at: startedAt} : null,
          terminated:
            exit === undefined ? null : {exit_code: exit.code, signal: exit.signal ?? null, reason: exit.reason ?? null, finished_at: exit.ended_at},
        },
      },
    ],
  };
}

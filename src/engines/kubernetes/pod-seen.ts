import type {ContainerSeen, PodCondition, PodSeen} from '../../schema/pod-seen.ts';
import {cut} from './cut.ts';
import type {ApiPod, Condition, ContainerStatus} from './objects.ts';

/** What is kept of a pod as the server has it. Members that are not there are left out, so that what is the same looks the same. */
export function podSeen({metadata, status}: ApiPod): PodSeen {
  const conditions = (status?.conditions ?? []).filter(({status: holds}) => holds !== 'True').map(conditionSeen);
  return withoutBlanks({
    name: metadata.name,
    phase: status?.phase ?? 'Pending',
    reason: status?.reason,
    message: cut(status?.message),
    started_at: status?.startTime,
    pod_ip: status?.podIP,
    host_ip: status?.hostIP,
    qos_class: status?.qosClass,
    conditions: conditions.length === 0 ? undefined : conditions,
    containers: [
      ...(status?.initContainerStatuses ?? []).map((each) => containerSeen(each, true)),
      ...(status?.containerStatuses ?? []).map((each) => containerSeen(each, false)),
    ],
  });
}

function conditionSeen({type, status, reason, message, lastTransitionTime}: Condition): PodCondition {
  return withoutBlanks({type, status, reason, message: cut(message), last_transition_time: lastTransitionTime});
}

function containerSeen({name, image, ready, restartCount, state}: ContainerStatus, isInit: boolean): ContainerSeen {
  const {waiting, running, terminated} = state ?? {};
  return withoutBlanks({
    name,
    is_init: isInit ? (true as const) : undefined,
    image,
    ready: ready === true ? (true as const) : undefined,
    restart_count: restartCount === 0 ? undefined : restartCount,
    waiting: waiting === undefined ? undefined : withoutBlanks({reason: waiting.reason, message: cut(waiting.message)}),
    running: running === undefined ? undefined : withoutBlanks({started_at: running.startedAt}),
    terminated:
      terminated === undefined
        ? undefined
        : withoutBlanks({
            exit_code: terminated.exitCode,
            signal: terminated.signal,
            reason: terminated.reason,
            message: cut(terminated.message),
            started_at: terminated.startedAt,
            finished_at: terminated.finishedAt,
          }),
  });
}

function withoutBlanks<T extends object>(value: {readonly [Key in keyof T]: T[Key] | undefined}): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined && each !== '')) as T;
}

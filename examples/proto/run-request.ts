import {setTimeout as delay} from 'node:timers/promises';
import {STATE_NAME, STATE_VALUE, compareJobLogs} from '../../src/proto/index.ts';
import type {JobLog, JsonObject, RequestManagerClient, State, StateName} from '../../src/proto/index.ts';

const GOING_ON: readonly State[] = [STATE_VALUE.PENDING, STATE_VALUE.RUNNING, STATE_VALUE.SUSPENDED];

/** Creates a request, waits until it is over, and gives its final state with the tries that failed. @throws ProtoError */
export async function runRequest(
  client: RequestManagerClient,
  type: string,
  args: JsonObject,
  everyMs = 1000,
): Promise<{readonly state: StateName; readonly failed: readonly JobLog[]}> {
  const id = await client.createRequest(type, args);
  let {state} = await client.getRequest(id);
  while (GOING_ON.includes(state)) {
    await delay(everyMs);
    ({state} = await client.getRequest(id));
  }
  const logs = await client.getJobLogs(id);
  return {state: STATE_NAME[state], failed: logs.filter((log) => log.state === STATE_VALUE.FAIL).toSorted(compareJobLogs)};
}

import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError, hasCode} from '../lib/errors.ts';
import type {WorkflowEnding} from '../schema/state.ts';
import type {TaskforceFacts} from '../model/workforce.ts';
import {askJson} from './http.ts';
import type {CallLimits} from './http.ts';
import {ClientToken} from './token.ts';
import type {ClientCredentials} from './token.ts';

export interface EwmsConfig extends ClientCredentials {
  /** Base address of the workflow management service; without a scheme https is meant. Empty: there is none. */
  readonly address: string;
}

/** What we read of a workflow: how it was deactivated, in the workload manager's words; `null` while it is active. */
export interface Workflow {
  readonly deactivated: string | null;
}

/** A taskforce as the workload manager shows it: handed on as it is. */
export type Taskforce = TaskforceFacts & Readonly<Record<string, unknown>>;

/** Longest wait for one answer. Those who show something to a user wait less, see {@link RememberedAnswers}. */
const CALL_MS = 10_000;
/** Pages of one list. Each holds many taskforces, of which a scan has a few. */
const MAX_PAGES = 100;

/**
 * The calls that we make to an outside workload manager (EWMS), each made once: who calls decides what to repeat.
 *
 * The address is the configured one, never one that came with a request: our token goes nowhere else.
 *
 * @throws ControlPlaneError by the answer: `invalid` 400, `forbidden` 401 and 403, `not_found` 404, `wrong_state` 422, `unavailable` everything else.
 * @see EWMS workflow management service, REST API v1
 */
export class EwmsClient {
  readonly #address: string;
  readonly #token: ClientToken;
  readonly #limits: CallLimits;

  /** @param stop ends calls under way: nobody waits for them when the process stops */
  constructor(config: EwmsConfig, clock: Clock, stop?: AbortSignal) {
    this.#limits = {timeoutMs: CALL_MS, ...(stop === undefined ? {} : {stop})};
    const address = config.address.replace(/\/+$/, '');
    this.#address = /^https?:\/\//i.test(address) ? address : `https://${address}`;
    this.#token = new ClientToken(config, clock);
  }

  async getWorkflow(workflowId: string): Promise<Workflow> {
    const {deactivated} = await this.#call('GET', `/v1/workflows/${segment(workflowId)}`);
    return {deactivated: typeof deactivated === 'string' && deactivated !== '' ? deactivated : null};
  }

  /** All taskforces of a workflow, page by page. */
  async listTaskforces(workflowId: string): Promise<readonly Taskforce[]> {
    const found: Taskforce[] = [];
    let after: unknown;
    for (let page = 0; page < MAX_PAGES; page++) {
      const body = {query: {workflow_id: workflowId}, ...(after === undefined ? {} : {after})};
      const {taskforces, next_after: next} = await this.#call('POST', '/v1/query/taskforces', body);
      if (!Array.isArray(taskforces)) throw new ControlPlaneError('unavailable', 'EWMS taskforces: no list in the answer');
      for (const each of taskforces as unknown[]) if (each !== null && typeof each === 'object') found.push(each as Taskforce);
      if (next === undefined || next === null || next === '' || taskforces.length === 0) break;
      after = next;
    }
    return found;
  }

  /** @throws ControlPlaneError `not_found`: it is over already */
  async endWorkflow(workflowId: string, ending: WorkflowEnding): Promise<void> {
    await this.#call('POST', `/v1/workflows/${segment(workflowId)}/actions/${ending}`, {});
  }

  /** Asks for more workers of a running workflow: a further taskforce. @throws ControlPlaneError `invalid`: unknown location. `wrong_state`: it is over. */
  async addWorkers(
    workflowId: string,
    clusterLocation: string,
    workers: number,
  ): Promise<{readonly taskforce_uuid: string; readonly n_workers: number}> {
    const query = {query: {workflow_id: workflowId}, projection: ['task_id']};
    const {task_directives: tasks} = await this.#call('POST', '/v1/query/task-directives', query);
    const taskId = Array.isArray(tasks) ? (tasks[0] as {readonly task_id?: unknown} | undefined)?.task_id : undefined;
    if (typeof taskId !== 'string') throw new ControlPlaneError('not_found', 'EWMS task directives: the workflow has none');
    const body = {cluster_location: clusterLocation, n_workers: workers};
    const {taskforce_uuid: uuid, n_workers: count} = await this.#call('POST', `/v1/task-directives/${segment(taskId)}/actions/add-workers`, body);
    if (typeof uuid !== 'string') throw new ControlPlaneError('unavailable', 'EWMS add-workers: no taskforce in the answer');
    return {taskforce_uuid: uuid, n_workers: typeof count === 'number' ? count : workers};
  }

  async #call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    const token = await this.#token.current(this.#limits);
    const headers = {
      accept: 'application/json',
      ...(body === undefined ? {} : {'content-type': 'application/json'}),
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
    };
    try {
      const init = {method, headers, ...(body === undefined ? {} : {body: JSON.stringify(body)})};
      return await askJson(`EWMS ${method} ${path}`, `${this.#address}${path}`, init, this.#limits);
    } catch (err) {
      if (hasCode(err, 'forbidden')) this.#token.drop();
      throw err;
    }
  }
}

/**
 * An id as one level of a path. Ids come from whoever handed the workflow over.
 *
 * @throws ControlPlaneError `not_found`: it would mean another path, or is no text. Nothing can be called so, and to say it again would not help.
 */
function segment(id: string): string {
  if (id === '' || id === '.' || id === '..' || !id.isWellFormed()) throw new ControlPlaneError('not_found', 'EWMS: not an id');
  return encodeURIComponent(id);
}

/** The configured workload manager, if there is one. */
export function openEwms(config: EwmsConfig, clock: Clock, stop?: AbortSignal): EwmsClient | undefined {
  return config.address === '' ? undefined : new EwmsClient(config, clock, stop);
}

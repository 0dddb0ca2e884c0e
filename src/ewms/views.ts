import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {workforceOf} from '../model/workforce.ts';
import type {EwmsClient, Taskforce, Workflow} from './client.ts';
import {RememberedAnswers} from './remembered.ts';
import type {Remembered} from './remembered.ts';

/** How long an answer that will hardly change is used again: a workflow that is over stays so, workers that run go on. */
const LONG_MS = 60_000;
/** How long one that a scanner waits to see change. */
const SHORT_MS = 2000;

/** What the outside workload manager says of workflows, for answers of our own: never late, and what it said last while it is away. */
export class EwmsViews {
  readonly #client: Pick<EwmsClient, 'addWorkers'>;
  readonly #workflows: RememberedAnswers<Workflow>;
  readonly #taskforces: RememberedAnswers<readonly Taskforce[]>;

  constructor(client: Pick<EwmsClient, 'getWorkflow' | 'listTaskforces' | 'addWorkers'>, clock: Clock, log: Log) {
    this.#client = client;
    this.#workflows = new RememberedAnswers<Workflow>({
      ...{clock, log},
      ask: (id) => client.getWorkflow(id),
      keepMs: ({deactivated}) => (deactivated === null ? SHORT_MS : LONG_MS),
    });
    this.#taskforces = new RememberedAnswers<readonly Taskforce[]>({
      ...{clock, log},
      ask: (id) => client.listTaskforces(id),
      keepMs: (taskforces) => (workforceOf('', taskforces).n_running > 0 ? LONG_MS : SHORT_MS),
    });
  }

  /** As {@link EwmsClient.addWorkers}. */
  addWorkers(workflowId: string, clusterLocation: string, workers: number): ReturnType<EwmsClient['addWorkers']> {
    return this.#client.addWorkers(workflowId, clusterLocation, workers);
  }

  workflow(workflowId: string): Promise<Remembered<Workflow>> {
    return this.#workflows.get(workflowId);
  }

  taskforces(workflowId: string): Promise<Remembered<readonly Taskforce[]>> {
    return this.#taskforces.get(workflowId);
  }
}

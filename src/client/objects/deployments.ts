import {DEPLOYMENT_ID} from '../../schema/block-ids.ts';
import {parseDeployment, parseDeploymentState} from '../../schema/deployment.ts';
import type {Deployment, DeploymentState} from '../../schema/deployment.ts';
import {deployKey, deployStateKey} from '../../schema/keys.ts';
import type {Transaction} from '../../store/transaction.ts';
import {Collection} from './collection.ts';
import {StoredObject, storedText} from './stored-object.ts';
import type {Input} from './stored-object.ts';

const KIND = {what: 'deployment', root: deployKey(''), isId: (text: string) => DEPLOYMENT_ID.test(text), parse: parseDeployment};

/** `/deploy/[id]`, with its state. */
export class Deployments extends Collection<Deployment> {
  /** @internal */
  constructor(tx: Transaction) {
    super(tx, KIND);
  }

  /** @throws ControlPlaneError `invalid`, with the field; `already_exists` */
  async create(deployment: Input<Deployment, 'id' | 'type'>): Promise<void> {
    const key = this.#keyOf(deployment);
    await this.tx.create(key, storedText(parseDeployment, key, deployment));
  }

  /** @throws ControlPlaneError `invalid`, with the field; `not_found` */
  async update(deployment: Input<Deployment, 'id' | 'type'>): Promise<void> {
    const key = this.#keyOf(deployment);
    await this.tx.update(key, storedText(parseDeployment, key, deployment));
  }

  /**
   * A job's state stays until its controller has ended what runs, and then goes; a chart's, which no controller of ours knows, goes at once.
   *
   * @throws ControlPlaneError `not_found`
   */
  override async delete(id: string): Promise<void> {
    const key = this.key(id);
    const stored = await this.tx.get(key);
    if (stored !== undefined && !isJob(stored, key)) await super.delete(id);
    else await this.tx.delete(key);
  }

  /** `/deploy/[id]/state`: whoever runs it writes that. */
  state(id: string): StoredObject<DeploymentState> {
    this.key(id);
    return new StoredObject(this.tx, deployStateKey(id), parseDeploymentState);
  }

  #keyOf(deployment: unknown): string {
    return this.key((deployment as {readonly id?: unknown} | null)?.id);
  }
}

/** Whether this is a job; what is damaged is taken for one. */
function isJob(stored: string, key: string): boolean {
  try {
    return parseDeployment(stored, key).type === 'job';
  } catch {
    return true;
  }
}

import {aclVerdict} from '../../model/request-acl.ts';
import type {AclEntry, AclPolicy} from '../../model/request-acl.ts';
import {SKYMAP_SCAN} from '../../schema/scan.ts';
import type {RequestParts} from '../deps.ts';
import {unauthorized} from './errors.ts';
import type {RequestPrincipal} from './principal.ts';

/** What somebody wants to do with a request; `args` are those that its caller gave. */
export interface WantedOperation {
  readonly op: 'start' | 'stop';
  readonly type: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** The last word, for programs that have rules of their own. Resolves when the caller may. @throws Error that says why they may not */
export type Authorize = (caller: RequestPrincipal, wanted: WantedOperation) => Promise<void>;

export interface GateOptions extends AclPolicy {
  /** Who has it may say what became of requests, as Spin Cycle's job runners do. */
  readonly executorRole: string;
  /** Access lists by request type. */
  aclOf(type: string): readonly AclEntry[] | undefined;
  readonly authorize?: Authorize | undefined;
}

/** The role of SkyDriver whose are the sky scans: what their access list would say. */
const SCAN_ACL: readonly AclEntry[] = [{role: 'user', admin: false, ops: ['start', 'stop']}];

/** The gate that was configured. Unless told: no admins, not strict, executors have the role `executor`. */
export function gateOf(requests: RequestParts | undefined): RequestGate {
  return new RequestGate({
    ...{adminRoles: [], strict: false, executorRole: 'executor', ...requests?.policy},
    aclOf: (type) => requests?.builder?.specs.sequences.get(type)?.acl,
    authorize: requests?.authorize,
  });
}

/** Decides who may do what with requests. */
export class RequestGate {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** @throws FrameworkError `forbidden`, which says what is missing */
  async authorise(caller: RequestPrincipal, wanted: WantedOperation): Promise<void> {
    const {authorize} = this.#options;
    if (caller.isUnasked) return;
    const isScan = wanted.type === SKYMAP_SCAN;
    const acl = isScan ? SCAN_ACL : this.#options.aclOf(wanted.type);
    // What a token says of other roles makes nobody one of SkyDriver's users.
    const isAdmin = caller.roles.some((role) => this.#options.adminRoles.includes(role));
    const verdict = aclVerdict(this.#options, acl, isScan && !isAdmin ? caller.scanRoles : caller.roles, wanted.op);
    if (verdict.kind === 'deny') throw unauthorized(`not allowed to ${wanted.op} ${wanted.type}: ${verdict.reason}`);
    if (verdict.kind === 'allow' || authorize === undefined) return;
    try {
      await authorize(caller, wanted);
    } catch (err) {
      throw unauthorized(`not allowed to ${wanted.op} ${wanted.type}: ${err instanceof Error ? err.message : String(err)}`);
    }
  }

  /** @throws FrameworkError `forbidden` unless the caller is an executor, or an admin */
  requireExecutor(caller: RequestPrincipal): void {
    const {adminRoles, executorRole} = this.#options;
    if (caller.isUnasked || caller.roles.includes(executorRole) || caller.roles.some((role) => adminRoles.includes(role))) return;
    throw unauthorized(`only the role ${executorRole} may do this`);
  }

  /** Whether a caller may see sky scans, or only other requests. */
  seesScans(caller: RequestPrincipal): boolean {
    return caller.isUnasked || caller.scanRoles.length > 0 || caller.roles.some((role) => this.#options.adminRoles.includes(role));
  }
}

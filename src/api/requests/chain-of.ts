import {ControlPlaneError} from '../../lib/errors.ts';
import {viewChain} from '../../model/chain-view.ts';
import type {ChainView} from '../../model/chain-view.ts';
import {isScan} from '../../model/manifest.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import type {RequestArg} from '../../proto/types.ts';
import type {Chain} from '../../schema/chain.ts';
import {skymapArgs} from '../../specs/skymap-args.ts';
import {readChain} from '../../store/chain-store.ts';
import type {RouteDeps} from '../deps.ts';

/**
 * The whole chain of a request; `undefined` for a sky scan, whose jobs are known without, and while nobody has built it.
 *
 * @throws ControlPlaneError `internal`: what is stored is none
 */
export async function chainOf({blobs}: Pick<RouteDeps, 'blobs'>, record: RequestRecord): Promise<Chain | undefined> {
  if (isScan(record)) return undefined;
  const bad = record.bad?.get('chain');
  if (bad !== undefined) throw new ControlPlaneError('internal', bad.reason, {key: bad.key});
  return record.chain === undefined ? undefined : readChain(blobs, record.id, record.chain.value);
}

/** A request's chain and where it stands. @throws as {@link chainOf} */
export async function chainViewOf(deps: Pick<RouteDeps, 'blobs' | 'clock'>, record: RequestRecord): Promise<ChainView> {
  return viewChain(record, await chainOf(deps, record), deps.clock.now());
}

/** The arguments of a request as they were resolved when it was made; of a sky scan, what it was asked with. */
export function argsOf(record: RequestRecord, chain: Chain | undefined): readonly RequestArg[] {
  return isScan(record) ? skymapArgs(record.spec.value.request) : (chain?.request_args ?? []).map(inWireOrder);
}

/** Stored values have their members in the order of their names. */
function inWireOrder({Pos, Name, Desc, Type, Given, Default, Value}: RequestArg): RequestArg {
  return {Pos, Name, Desc, Type, Given, Default, Value};
}

import {storedText} from '../../../client/objects/stored-object.ts';
import {ControlPlaneError} from '../../../lib/errors.ts';
import {parseScriptId} from '../../../schema/block-ids.ts';
import {parseExecutionBlock} from '../../../schema/execution-block.ts';
import {REALTIME} from '../../../schema/processing-block.ts';
import {ebKey} from '../../../schema/keys.ts';
import {say, shown} from '../command.ts';
import type {SdpCommand, SdpContext} from '../command.ts';
import {keyOf, typeOf} from '../object-types.ts';
import {readObject, valueText} from '../value.ts';

/** Who makes blocks here: part of their ids. */
const GENERATOR = 'sdpcli';

export const create: SdpCommand = {
  name: 'create',
  usage: ['pb KIND:NAME:VERSION [PARAMETERS] [--eb MEMBERS]', 'deployment ID TYPE ARGS', 'script KIND:NAME:VERSION VALUE', 'eb | subarray ID VALUE'],
  summary: 'makes an object; values are YAML or JSON',
  run: async (context) => {
    const [word, ...rest] = context.args;
    const type = typeOf(word);
    if (type.name === 'pb') return createPb(context, rest);
    const [id, value, ...more] = type.name === 'deployment' ? deploymentOf(rest) : rest;
    if (value === undefined || more.length > 0) throw new ControlPlaneError('invalid', `create ${type.name}: give an id and a value`);
    const key = keyOf(type, id);
    const text = context.options.raw ? value : valueText(key, readObject(value, 'the value'));
    await context.db.create(key, text);
    say(context, type.name === 'deployment' ? `Deployment created with id: ${id}` : `${shown(context, key)} created`);
  },
};

/** @throws ControlPlaneError `invalid` */
function deploymentOf(rest: readonly string[]): string[] {
  const [id = '', type, args, ...more] = rest;
  if (type === undefined || args === undefined || more.length > 0)
    throw new ControlPlaneError('invalid', 'create deployment: give an id, a type and args');
  return [id, JSON.stringify({type, args: readObject(args, 'ARGS')})];
}

async function createPb(context: SdpContext, [script, parametersText, ...more]: readonly string[]): Promise<void> {
  const {db, options} = context;
  const wanted = script === undefined ? undefined : parseScriptId(script);
  if (wanted === undefined || more.length > 0) {
    throw new ControlPlaneError('invalid', `create pb: the script must be KIND:NAME:VERSION, not ${JSON.stringify(script ?? '')}`);
  }
  const parameters = parametersText === undefined ? {} : readObject(parametersText, 'PARAMETERS');
  const members = options.eb === undefined ? undefined : readObject(options.eb, '--eb');
  const {pbId, ebId} = await db.transact(async (tx) => {
    const pb_id = await tx.processingBlocks.newId(GENERATOR);
    let eb_id: string | null = null;
    if (members !== undefined) {
      eb_id = typeof members['eb_id'] === 'string' ? members['eb_id'] : await tx.executionBlocks.newId(GENERATOR);
      const list = wanted.kind === REALTIME ? 'pb_realtime' : 'pb_batch';
      await tx.create(ebKey(eb_id), storedText(parseExecutionBlock, ebKey(eb_id), {...members, eb_id, [list]: [pb_id]}));
    }
    await tx.processingBlocks.create({pb_id, eb_id, script: wanted, parameters});
    return {pbId: pb_id, ebId: eb_id};
  });
  if (ebId !== null) say(context, `Execution block created with eb_id: ${ebId}`);
  say(context, `Processing block created with pb_id: ${pbId}`);
}

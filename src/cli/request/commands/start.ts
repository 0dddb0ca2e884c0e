import {ControlPlaneError} from '../../../lib/errors.ts';
import {ARG_TYPE_OPTIONAL, ARG_TYPE_REQUIRED} from '../../../proto/state.ts';
import type {RequestArg, RequestSpec} from '../../../proto/types.ts';
import {usageOf} from '../command.ts';
import type {Command, Context} from '../command.ts';
import {repeatable} from '../echo.ts';
import {unlessInterrupted} from '../../interrupt.ts';
import {parsePairs} from '../pairs.ts';
import {valueText} from '../present.ts';
import {ask} from '../../prompt.ts';
import {isOutage} from '../request-api.ts';
import {oneLine, quote} from '../../text.ts';

/** What a question that nobody answers comes to. */
const UNDONE = 'nothing was started';

/** @throws ControlPlaneError `invalid`: the server offers no such request */
export async function specOf({api}: Context, type: string): Promise<RequestSpec> {
  const spec = (await api.listRequestSpecs()).find(({Name}) => Name === type);
  if (spec === undefined) throw new ControlPlaneError('invalid', `Unknown request: ${oneLine(type)}`);
  return spec;
}

/**
 * The values to send, in the order of the spec: those given, and those that had to be asked for.
 *
 * Where nothing was given, everything is asked for, the required ones until they are answered; else only the required ones that are missing.
 */
async function gatherArgs(context: Context, spec: RequestSpec, given: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const unknown = [...given.keys()].filter((name) => !spec.Args.some(({Name}) => Name === name));
  if (unknown.length > 0) throw new ControlPlaneError('invalid', `Unknown args: ${unknown.map(oneLine).join(', ')}`);
  const values = new Map(given);
  for (const arg of spec.Args.filter(({Type}) => Type === ARG_TYPE_REQUIRED)) {
    for (let value = values.get(arg.Name); value === undefined;) {
      const answer = await askFor(context, arg);
      if (answer !== '') values.set(arg.Name, (value = answer));
    }
  }
  if (given.size === 0) {
    for (const arg of spec.Args.filter(({Type}) => Type === ARG_TYPE_OPTIONAL)) {
      const answer = await askFor(context, arg);
      if (answer === '') context.out.write(`${arg.Name}=${oneLine(valueText(arg.Default))}\n`);
      else values.set(arg.Name, answer);
    }
  }
  return new Map(spec.Args.flatMap(({Name}) => (values.has(Name) ? [[Name, values.get(Name) as string] as const] : [])));
}

function askFor(context: Context, {Name, Desc, Type, Default}: RequestArg): Promise<string> {
  const notes = [oneLine(Desc), Type === ARG_TYPE_OPTIONAL ? `(default: ${oneLine(valueText(Default))})` : ''].filter((note) => note !== '');
  const heading = notes.length === 0 ? '' : `# ${notes.join(' ')}\n`;
  return ask(context, `${heading}${oneLine(Name)}=`, UNDONE);
}

/** Sends the request. Where it stays open whether it arrived, the user hears of that. */
async function create(context: Context, type: string, args: ReadonlyMap<string, string>): Promise<string> {
  try {
    return await unlessInterrupted(context.api.createRequest(type, Object.fromEntries(args)), context.interrupt);
  } catch (err) {
    if (context.interrupt.aborted || isOutage(err)) {
      const look = repeatable(context.line.flags, ['find', quote(`type=${type}`)]);
      context.err.write(`It is not known whether the request was started; see ${look}\n`);
    }
    throw err;
  }
}

export const start: Command = {
  name: 'start',
  usage: '<request> [arg=value ...]',
  summary: 'start a request; what is missing is asked for',
  details: `Without arguments, all are asked for. With any, only the required ones that are missing; optional ones keep their defaults.
Nothing is started before you have typed ok.
`,
  run: async (context) => {
    const {line, out} = context;
    const [type, ...words] = line.args;
    if (type === undefined) throw new ControlPlaneError('invalid', usageOf(start));
    const given = parsePairs(words);
    const args = await gatherArgs(context, await specOf(context, type), given);
    out.write(`\n# ${repeatable(line.flags, ['start', quote(type), ...[...args].map(([name, value]) => `${quote(name)}=${quote(value)}`)])}\n\n`);
    while ((await ask(context, "Type 'ok' to start, Ctrl-C to leave: ", UNDONE)).trim() !== 'ok');
    const id = await create(context, type, args);
    out.write(`OK, started ${oneLine(type)} request ${id}\n\n  ${repeatable(line.flags, ['status', quote(id)])}\n`);
    return 0;
  },
};

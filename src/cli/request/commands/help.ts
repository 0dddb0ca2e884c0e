import {ControlPlaneError, reasonOf} from '../../../lib/errors.ts';
import {ARG_TYPE_OPTIONAL, ARG_TYPE_STATIC} from '../../../proto/state.ts';
import type {RequestSpec} from '../../../proto/types.ts';
import {usageOf} from '../command.ts';
import type {Command} from '../command.ts';
import {PROGRAM, repeatable} from '../echo.ts';
import {valueText} from '../present.ts';
import {oneLine, quote, widthOf} from '../../text.ts';

const FLAGS: readonly (readonly [flag: string, variable: string, help: string])[] = [
  ['--addr URL', 'SCANPLANE_ADDR', 'address of the API (default http://127.0.0.1:8080)'],
  ['--config FILES', 'SPINC_CONFIG', 'config files, separated by commas (default ~/.scanplane.yaml)'],
  ['--debug', 'SCANPLANE_DEBUG', 'tell on standard error what is asked of the server'],
  ['--env NAME', 'SCANPLANE_ENV', 'a label, for programs that wrap this one'],
  ['--follow', '', 'of log: go on until the request has ended'],
  ['--help', '', 'this'],
  ['--timeout MS', 'SCANPLANE_TIMEOUT', 'longest time for an answer (default 5000)'],
  ['--token-file FILE', 'SCANPLANE_TOKEN_FILE', 'bearer token; SCANPLANE_TOKEN may hold it too'],
  ['--version', '', 'the version of this program'],
];

/** How the program is used as a whole. */
function overview(commands: readonly Command[]): string {
  const rows = commands.map(({name, usage, summary}) => [`${name} ${usage}`.trimEnd(), summary] as const);
  const width = Math.max(...rows.map(([usage]) => usage.length));
  const flags = FLAGS.map(([flag, variable, help]) => `  ${flag.padEnd(18)} ${variable.padEnd(20)} ${help}\n`);
  return `Usage: ${PROGRAM} [flags] command [request|id] [args]

Commands:
${rows.map(([usage, summary]) => `  ${usage.padEnd(width)}  ${summary}\n`).join('')}
Flags, and the variables that set them:
${flags.join('')}`;
}

/** What a request takes. */
export function showRequestHelp(spec: RequestSpec, addr: string, startLine: string): string {
  const width = Math.max(0, ...spec.Args.map(({Name}) => widthOf(oneLine(Name))));
  const rows = spec.Args.filter(({Type}) => Type !== ARG_TYPE_STATIC).map((arg) => {
    const name = oneLine(arg.Name);
    const padded = name + ' '.repeat(width - widthOf(name));
    const isOptional = arg.Type === ARG_TYPE_OPTIONAL;
    const ends = [oneLine(arg.Desc), isOptional ? `(default: ${oneLine(valueText(arg.Default))})` : ''].filter((end) => end !== '');
    return `${`  ${isOptional ? ' ' : '*'} ${padded}  ${ends.join(' ')}`.trimEnd()}\n`;
  });
  return `Server: ${addr}

${oneLine(spec.Name)}: arguments (* required)

${rows.join('')}
To start: ${startLine}
`;
}

export const help: Command = {
  name: 'help',
  usage: '[command|request]',
  summary: 'show how this program, a command or a request is used',
  run: async ({line, out, api, commands, options}) => {
    const [topic] = line.isHelp ? [line.command === 'help' ? line.args[0] : line.command] : line.args;
    if (topic === undefined) {
      out.write(overview(commands));
      return 0;
    }
    const command = commands.find(({name}) => name === topic);
    if (command !== undefined) {
      out.write(`${usageOf(command)}\n\n${command.summary}\n${command.details === undefined ? '' : `\n${command.details}`}`);
      return 0;
    }
    const spec = (await api.listRequestSpecs()).find(({Name}) => Name === topic);
    if (spec === undefined) throw new ControlPlaneError('invalid', `Unknown command or request: ${oneLine(topic)}`);
    out.write(showRequestHelp(spec, options.addr, repeatable(line.flags, ['start', quote(spec.Name)])));
    return 0;
  },
};

/** What is done where no command is given: the requests that can be started. A server that does not answer is no failure of this. */
export const list: Command = {
  name: '',
  usage: '',
  summary: 'list the requests that can be started',
  run: async ({line, out, api, options}) => {
    let names: string;
    try {
      const specs = await api.listRequestSpecs();
      names = specs.map(({Name}) => `  ${oneLine(Name)}\n`).join('');
    } catch (err) {
      names = `  ${reasonOf(err)}\n`;
    }
    out.write(`Server: ${options.addr}

Requests:
${names}
What a request takes: ${repeatable(line.flags, ['help <request>'])}
To start one:         ${repeatable(line.flags, ['start <request>'])}
`);
    return 0;
  },
};

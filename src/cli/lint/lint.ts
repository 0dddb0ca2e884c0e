import {reasonOf} from '../../lib/errors.ts';
import {loadSpecs} from '../../specs/load.ts';
import {LINT_USAGE, readLintArguments} from './lint-arguments.ts';
import {lintReport} from './lint-report.ts';

/** Where text goes. */
type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY'>;

/** `scanplane lint`. @returns the exit code: see {@link LINT_USAGE} */
export async function lint(argv: readonly string[], out: Output = process.stdout, err: Output = process.stderr): Promise<number> {
  let options: ReturnType<typeof readLintArguments>;
  try {
    options = readLintArguments(argv);
  } catch (cause) {
    err.write(`scanplane lint: ${reasonOf(cause)}\n\n${LINT_USAGE}`);
    return 2;
  }
  if (options === undefined) {
    out.write(LINT_USAGE);
    return 0;
  }
  const specs = await loadSpecs(options.directory);
  const report = lintReport(specs, options, options.color ?? (out.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''));
  out.write(report.lines.map((line) => `${line}\n`).join(''));
  return report.exitCode;
}

import {copyFile, readFile, readdir, rm} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {delimiter, join} from 'node:path';
import {command} from './command.ts';
import {RECIPE} from './recipe.ts';
import type {PrivateApt} from './apt.ts';

/**
 * Compiles the programs of {@link RECIPE} into `bin`, at low priority.
 *
 * @throws CommandError from a compiler; Error if the generated OpenAPI definitions are not what the release had.
 */
export async function buildKubernetes(apt: PrivateApt, work: string, bin: string, step: (what: string) => void): Promise<void> {
  step('Go and the source of Kubernetes');
  const compilers = join(work, 'compilers');
  await apt.unpack(RECIPE.compilers, compilers);
  const goPath = join(work, 'gopath');
  const tree = join(goPath, 'src', 'k8s.io', 'kubernetes');
  await command('mkdir', ['-p', join(goPath, 'src', 'k8s.io')]);
  await apt.unpackSource(RECIPE.source, tree);
  await replaceReflect(join(compilers, 'usr/share/gocode/src/github.com/modern-go/reflect2'), tree);

  const goRoot = join(compilers, RECIPE.goRoot);
  const env = {
    PATH: [join(goRoot, 'bin'), process.env['PATH']].join(delimiter),
    HOME: work,
    TMPDIR: work,
    GOROOT: goRoot,
    GOPATH: goPath,
    GOCACHE: join(work, 'gocache'),
    GO111MODULE: 'off',
    GOPROXY: 'off',
    CGO_ENABLED: '0',
    GOMAXPROCS: String(availableParallelism()),
  };
  // If we are killed the compiler goes too, before the next build clears the folder away.
  const nice = async (program: string, args: readonly string[]): Promise<string> =>
    command('setpriv', ['--pdeathsig', 'KILL', 'nice', '-n', '10', program, ...args], {cwd: tree, env});

  step('definitions of the API');
  const generator = join(work, 'openapi-gen');
  await nice('go', ['build', '-o', generator, './vendor/k8s.io/kube-openapi/cmd/openapi-gen']);
  await generateOpenApi(generator, tree, work, nice);

  const versions = ['component-base/version', 'client-go/pkg/version'].flatMap((name) =>
    Object.entries(RECIPE.version).flatMap(([key, value]) => ['-X', `k8s.io/kubernetes/vendor/k8s.io/${name}.${key}=${value}`]),
  );
  const flags = ['-trimpath', '-tags', RECIPE.tags, '-ldflags', ['-s', '-w', ...versions].join(' ')];
  // One after the other: linking two of them at once takes 1.5 GB.
  for (const [at, name] of RECIPE.programs.entries()) {
    step(`${name} (${at + 1} of ${RECIPE.programs.length}${at === 0 ? ', by far the longest' : ''})`);
    await nice('go', ['build', ...flags, '-o', join(bin, name), `./cmd/${name}`]);
  }
}

async function replaceReflect(newer: string, tree: string): Promise<void> {
  const vendored = join(tree, 'vendor/github.com/modern-go/reflect2');
  const isCode = (name: string): boolean => name.endsWith('.go') || name.endsWith('.s');
  for (const name of await readdir(vendored)) if (isCode(name)) await rm(join(vendored, name));
  for (const name of await readdir(newer)) if (isCode(name)) await copyFile(join(newer, name), join(vendored, name));
}

/** `pkg/generated/openapi` is not in the source package: upstream generates it, from every package that carries the marker. */
async function generateOpenApi(
  generator: string,
  tree: string,
  work: string,
  nice: (program: string, args: readonly string[]) => Promise<string>,
): Promise<void> {
  const marked = async (folders: readonly string[], marker: string): Promise<readonly string[]> =>
    (await command('grep', ['-Rl', '--include=*.go', '--', marker, ...folders], {cwd: tree})).split('\n').filter((line) => line !== '');
  const files = [
    ...(await marked(['pkg', 'cmd', 'plugin'], '^// *+k8s:openapi-gen=')),
    ...(await marked(['vendor/k8s.io'], '+k8s:openapi-gen=')),
  ].filter((file) => !file.includes('/testdata/') && !file.includes('zz_generated') && !NOT_OF_THE_API.some((folder) => file.startsWith(folder)));
  const packages = [...new Set(files.map((file) => `k8s.io/kubernetes/${file.slice(0, file.lastIndexOf('/'))}`))].toSorted();
  const violations = join(work, 'violations.txt');
  const output = ['-p', 'k8s.io/kubernetes/pkg/generated/openapi', '-O', 'zz_generated.openapi', '-r', violations];
  await nice(generator, ['-i', packages.join(','), ...output, '-h', 'vendor/k8s.io/code-generator/hack/boilerplate.go.txt']);
  // Upstream's own check of the generator's input.
  const known = await readFile(join(tree, 'api/api-rules/violation_exceptions.list'), 'utf8');
  if ((await readFile(violations, 'utf8')) !== known) throw new Error('the generated API definitions differ from those of the release');
}

const NOT_OF_THE_API = ['code-generator/', 'sample-apiserver/', 'gengo/', 'kube-openapi/'].map((name) => `vendor/k8s.io/${name}`);

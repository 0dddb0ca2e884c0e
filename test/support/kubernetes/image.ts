import {createHash} from 'node:crypto';
import {createWriteStream} from 'node:fs';
import {mkdtemp, rm, stat} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {tar} from './tar.ts';
import type {TarEntry} from './tar.ts';

export interface ImageContent {
  /** Name and tag that pods use. Tags other than `latest` are not looked for elsewhere, once they are imported. */
  readonly reference: string;
  /** From the lowest up. */
  readonly layers: readonly Iterable<TarEntry>[];
  /** `Env`, `Entrypoint`, `Cmd`, `User`, `WorkingDir` as in the OCI image configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Packing stops with an error above this size of all layers. */
  readonly maxBytes: number;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {x64: 'amd64', arm64: 'arm64', ppc64: 'ppc64le', s390x: 's390x'};

/**
 * Packs an image as `docker save` does, for `ctr images import` and `docker load`.
 *
 * @returns the size of the archive in bytes.
 * @throws Error above `maxBytes`.
 * @see https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format
 */
export async function packImage(file: string, image: ImageContent): Promise<number> {
  const work = await mkdtemp(join(dirname(file), '.packing-'));
  try {
    const layers: {name: string; from: string; size: number; digest: string}[] = [];
    let left = image.maxBytes;
    for (const [at, entries] of image.layers.entries()) {
      const from = join(work, String(at));
      const digest = await writeLayer(from, entries, left, image);
      const {size} = await stat(from);
      left -= size;
      layers.push({name: `${digest}/layer.tar`, from, size, digest});
    }
    const config = Buffer.from(
      JSON.stringify({
        architecture: ARCHITECTURES[process.arch] ?? process.arch,
        os: 'linux',
        created: '1970-01-01T00:00:00Z',
        config: image.config,
        rootfs: {type: 'layers', diff_ids: layers.map(({digest}) => `sha256:${digest}`)},
        history: layers.map(() => ({created: '1970-01-01T00:00:00Z'})),
      }),
    );
    const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
    const manifest = Buffer.from(JSON.stringify([{Config: configName, RepoTags: [image.reference], Layers: layers.map(({name}) => name)}]));
    const entries: TarEntry[] = [
      {type: 'file', path: configName, mode: 0o644, content: config},
      ...layers.map(({name, from, size}): TarEntry => ({type: 'file', path: name, mode: 0o644, from, size})),
      {type: 'file', path: 'manifest.json', mode: 0o644, content: manifest},
    ];
    await pipeline(Readable.from(tar(entries)), createWriteStream(file));
    return (await stat(file)).size;
  } finally {
    await rm(work, {recursive: true, force: true});
  }
}

/** Writes one layer and returns its SHA-256 in hex. */
async function writeLayer(to: string, entries: Iterable<TarEntry>, maxBytes: number, image: ImageContent): Promise<string> {
  const hash = createHash('sha256');
  let size = 0;
  await pipeline(
    tar(entries),
    async function* measured(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        size += chunk.length;
        if (size > maxBytes) throw new Error(`the image ${image.reference} would be larger than ${image.maxBytes} bytes`);
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(to),
  );
  return hash.digest('hex');
}

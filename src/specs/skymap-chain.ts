import {readFileSync} from 'node:fs';
import {assert, must} from '../lib/assert.ts';
import type {Chain, PlannedJob} from '../schema/chain.ts';
import {SKYMAP_SCAN} from '../schema/scan.ts';
import type {Pairs, SkymapRequest} from '../schema/scan.ts';
import {buildChain} from './build-chain.ts';
import {NamedJobIds} from './job-ids.ts';
import type {JobMaker} from './job-maker.ts';
import {parseSpecs} from './parse.ts';
import type {SpecFile} from './read-file.ts';
import type {Specs} from './spec.ts';

/** The argument from which the workers of a sky scan are expanded, and what each of them is given of it. */
const CLUSTERS = 'request_clusters';
const ENTRY = 'entry';

/** Nothing is created for the jobs of a sky scan: what they are given is found when they are launched. */
const MAKER: JobMaker = {make: ({args}) => Promise.resolve({args})};

/** The spec of the sky scan, as it is shipped. */
export function skymapSpecFile(): SpecFile {
  return {name: 'skymap-scan.yaml', text: readFileSync(new URL('skymap-scan.yaml', import.meta.url), 'utf8')};
}

let specs: Specs | undefined;

/** What that spec declares. */
export function skymapSpecs(): Specs {
  return (specs ??= parseSpecs([skymapSpecFile()]));
}

/** Scans differ in what they ask of which cluster; how many they ask decides what their chain looks like. */
const templates = new Map<number, Promise<Chain>>();

/** The chain of a sky scan, built from its spec; whoever builds it, and however often, it is the same. Its jobs are called by what they are: `server`, `workers-1`, … */
export async function skymapChain({request_clusters: entries}: Pick<SkymapRequest, 'request_clusters'>, retry: number): Promise<Chain> {
  let template = templates.get(entries.length);
  if (template === undefined) templates.set(entries.length, (template = buildTemplate(entries.length)));
  return fill(await template, entries, retry);
}

/** A chain whose workers name the place of their entry. */
async function buildTemplate(count: number): Promise<Chain> {
  const specs = skymapSpecs();
  const sequence = must(specs.sequences.get(SKYMAP_SCAN), 'the spec of the sky scan');
  const places = Array.from({length: count}, (_, place) => place);
  const args = Object.fromEntries(sequence.args.required.map(({name}) => [name, name === CLUSTERS ? places : '']));
  return buildChain(specs, SKYMAP_SCAN, args, {requestId: '', ids: new NamedJobIds(), maker: MAKER, defaultCluster: ''});
}

function fill(template: Chain, entries: Pairs<number>, retry: number): Chain {
  const jobs: Record<string, PlannedJob> = {};
  for (const [id, {name, args, type, sequence}] of Object.entries(template.jobs)) {
    const base = {...(name === undefined || name === id ? {} : {name}), type, ...(sequence === undefined ? {} : {sequence})};
    switch (type) {
      case 'scanner-server':
        jobs[id] = {...base, cluster: entries[0]?.[0] ?? '', count: 1, retry};
        break;
      case 'workers': {
        const entry = entries[args?.[ENTRY] as number];
        assert(entry !== undefined, 'each workers job has an entry');
        jobs[id] = {...base, cluster: entry[0], count: entry[1], retry};
        break;
      }
      default:
        jobs[id] = {...base, cluster: '', count: 1, retry: 0};
    }
  }
  return {...template, jobs};
}

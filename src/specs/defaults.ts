import {isNullEntry} from './draft.ts';
import type {NodeArgDraft, NodeDraft, NodeSetDraft, SequenceDraft} from './draft.ts';

/** Fills in what may be left out: `given` and `as`, and no wait between tries. */
export function fillDefaults(sequence: SequenceDraft): SequenceDraft {
  return {...sequence, nodes: new Map(Array.from(sequence.nodes, ([name, node]) => [name, fillNode(node)]))};
}

function fillNode(node: NodeDraft): NodeDraft {
  return {
    ...node,
    args: node.args.map((entry) => (isNullEntry(entry) ? entry : fillArg(entry))),
    sets: node.sets.map((entry) => (isNullEntry(entry) ? entry : fillSet(entry))),
    ...((node.retry ?? 0) > 0 && node.retryWait === undefined ? {retryWait: '0s'} : {}),
  };
}

function fillArg(entry: NodeArgDraft): NodeArgDraft {
  return entry.given !== undefined || entry.expected === undefined ? entry : {...entry, given: entry.expected};
}

function fillSet(entry: NodeSetDraft): NodeSetDraft {
  return entry.as !== undefined || entry.arg === undefined ? entry : {...entry, as: entry.arg};
}

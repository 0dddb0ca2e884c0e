import type {Family} from '../lib/row.ts';
import {blocks} from './blocks.ts';
import {chain} from './chain.ts';
import {failover} from './failover.ts';
import {kubernetesChain} from './kubernetes-chain.ts';
import {kubernetes} from './kubernetes.ts';
import {latency} from './latency.ts';
import {memory} from './memory.ts';
import {query} from './query.ts';
import {throughput} from './throughput.ts';

/** All rows, in the order of the table. A new one goes into the file of its family, or into a new file that is listed here. */
export const FAMILIES: readonly Family[] = [throughput, latency, failover, memory, query, chain, blocks, kubernetes, kubernetesChain];

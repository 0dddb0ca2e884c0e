import {MakerChild} from '../../src/jobs/maker-child.ts';
import {eventually} from '../support/eventually.ts';

/** A process that has started the creation of a job which blocks, to be killed: prints the pid of the process in which that happens. */
const child = new MakerChild(process.argv[2] ?? '', {}, 600_000);
await child.ready;
child.make({type: 'create-blocks', name: 'n', id: 'i', requestId: 'r', args: {}}).catch(() => undefined);
await eventually(() => child.stderr.includes('blocking'), {timeoutMs: 60_000});
process.stdout.write(`${child.pid}\n`);

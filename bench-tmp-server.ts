import {startApi} from './test/api/harness.ts';
import {Session} from 'node:inspector/promises';
import {writeFileSync, mkdirSync} from 'node:fs';
const api = await startApi(process.argv[2] as string, {}, '/b' + process.pid);
process.stdout.write(api.url + '\n');
let c0 = process.cpuUsage(), n0 = 0;
setInterval(() => { const c = process.cpuUsage(c0); const n = api.cache.scans.size; if (n - n0 > 50) console.error('  cpu us per scan', ((c.user + c.system) / (n - n0)).toFixed(0), 'user', (c.user / (n - n0)).toFixed(0), 'scans', n - n0); c0 = process.cpuUsage(); n0 = n; }, 1000);
if (process.env.PROF) setTimeout(async () => { const s = new Session(); s.connect(); await s.post('Profiler.enable'); await s.post('Profiler.start'); setTimeout(async () => { const {profile} = await s.post('Profiler.stop') as any; mkdirSync('/tmp/apibench/prof', {recursive: true}); writeFileSync('/tmp/apibench/prof/x.cpuprofile', JSON.stringify(profile)); }, 4000); }, 4000);
process.on('SIGTERM', () => process.exit(0));

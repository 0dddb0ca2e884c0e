import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {connect} from 'node:net';
import {startEtcd} from './test/support/etcd.ts';
import {SCAN_BODY} from './test/api/harness.ts';
const MODE = process.argv[2] ?? 'id';
const SECONDS = Number(process.env.SECS ?? 10);
const etcd = await startEtcd({unsafeNoFsync: process.env.NOFSYNC !== undefined});
const server = spawn(process.execPath, ['bench-tmp-server.ts', etcd.endpoint], {stdio: ['ignore', 'pipe', 'inherit']});
const url = new URL(String((await once(server.stdout!, 'data'))[0]).trim());
const first = await (await fetch(url + 'scan', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(SCAN_BODY)})).json() as any;
const {event_i3live_json: _, ...rest} = SCAN_BODY;
const body = JSON.stringify(MODE === 'event' ? SCAN_BODY : {...rest, i3_event_id: first.i3_event_id});
const head = Buffer.from(`POST /scan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
const times: number[] = [];
const end = performance.now() + SECONDS * 1000;
await Promise.all(Array.from({length: 64}, () => new Promise<void>((resolve, reject) => {
  const s = connect(Number(url.port), url.hostname); s.setNoDelay(true);
  let t = 0; let buf = '';
  const go = () => { t = performance.now(); s.write(head); };
  s.on('connect', go); s.on('error', reject);
  s.on('data', (d) => {
    buf += d.toString('latin1');
    const h = buf.indexOf('\r\n\r\n'); if (h < 0) return;
    const m = /content-length: (\d+)/i.exec(buf); if (!m || buf.length < h + 4 + Number(m[1])) return;
    if (!buf.startsWith('HTTP/1.1 200')) return reject(new Error(buf.slice(0, 300)));
    buf = ''; times.push(performance.now() - t);
    if (performance.now() < end) go(); else { s.destroy(); resolve(); }
  });
})));
times.sort((a, b) => a - b);
const q = (p: number) => times[Math.floor(times.length * p)]!.toFixed(1);
console.log('POST per s', (times.length / SECONDS).toFixed(0), 'p50', q(0.5), 'p99', q(0.99));
server.kill('SIGTERM'); await etcd.stop();

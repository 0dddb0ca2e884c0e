import {createServer} from 'node:http';
import {connect} from 'node:net';
import {once} from 'node:events';
import {fork} from 'node:child_process';
import Koa from 'koa';
import Router from '@koa/router';
import getRawBody from 'raw-body';
import {createApp} from './src/api/app.ts';
import {SCAN_BODY} from './test/api/harness.ts';
import {systemClock} from './src/lib/clock.ts';
import {silentLog} from './src/lib/log.ts';
if (process.argv[2] === 'load') {
  const port = Number(process.argv[3]);
  const {event_i3live_json: _, ...rest} = SCAN_BODY;
  const body = JSON.stringify({...rest, i3_event_id: 'e1'});
  const head = Buffer.from(`POST /scan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const end = performance.now() + 5000;
  for (let i = 0; i < 32; i++) { const s = connect(port, '127.0.0.1'); s.on('connect', () => s.write(head)); s.on('data', (d) => { if (d.toString('latin1').startsWith('HTTP/1.1 200') && performance.now() < end) s.write(head); else s.destroy(); }); }
} else {
  let n = 0; const mode = process.argv[2];
  const cache: any = {ready: async () => {}, scans: {get: () => undefined, size: 0, idsBy: () => new Set()}, clusters: new Map([['foobar', {}]]), events: new Map([['e1', {}]]), ageMs: () => 0, revision: 1, bad: new Map(), backlog: () => [], catchUp: async () => 1};
  const answer = {a: 1, x: 'y'.repeat(900)};
  let cb: any;
  if (mode === 'bare') cb = (req: any, res: any) => { const chunks: Buffer[] = []; req.on('data', (c: Buffer) => chunks.push(c)); req.on('end', () => { n++; res.setHeader('Content-Type', 'application/json'); res.end(JSON.stringify(answer)); }); };
  else if (mode === 'koa') { const app = new Koa(); const r = new Router(); r.post('/scan', async (ctx: any) => { await new Promise<void>((ok) => { const chunks: Buffer[] = []; ctx.req.on('data', (c: Buffer) => chunks.push(c)); ctx.req.on('end', () => { n++; JSON.parse(Buffer.concat(chunks).toString()); ok(); }); }); ctx.set('Content-Type', 'application/json'); ctx.body = JSON.stringify(answer); }); app.use(r.routes()); cb = app.callback(); }
  else if (mode === 'raw') { const app = new Koa(); const r = new Router(); r.post('/scan', async (ctx: any) => { const b = await getRawBody(ctx.req, {length: ctx.req.headers['content-length'], limit: 1e8}); n++; JSON.parse(b.toString()); ctx.set('Content-Type', 'application/json'); ctx.body = JSON.stringify(answer); }); app.use(r.routes()); cb = app.callback(); }
  else cb = createApp({store: {isReachable: () => true, limits: {value: 524288}} as any, cache, groupCommit: {commit: async () => { n++; return {ok: true, revision: 5}; }} as any, blobs: {} as any, clock: systemClock, log: silentLog, config: {publicAddress: 'x'}}).callback();
  const server = createServer(cb);
  server.listen(0, '127.0.0.1'); await once(server, 'listening');
  const child = fork('./bench-tmp-stub.ts', ['load', String((server.address() as any).port)]);
  await new Promise((r) => setTimeout(r, 3000));
  const c0 = process.cpuUsage(), n0 = n;
  await new Promise((r) => setTimeout(r, 2000));
  const c = process.cpuUsage(c0);
  console.log(mode, 'cpu us per request', ((c.user + c.system) / (n - n0)).toFixed(1), 'user', (c.user / (n - n0)).toFixed(1), 'n', n - n0);
  await once(child, 'exit'); process.exit(0);
}

// `node call.ts METHOD URL [TOKEN]`: one HTTP request, with what is on standard input as its body; prints `{status, body}`. Runs in the network of a
// Docker engine, which the tests' own process is outside of.
import {text} from 'node:stream/consumers';

const [method = 'GET', url = '', token] = process.argv.slice(2);
const body = await text(process.stdin);
const answer = await fetch(url, {
  method,
  headers: {...(token === undefined ? {} : {authorization: `Bearer ${token}`}), ...(body === '' ? {} : {'content-type': 'application/json'})},
  ...(body === '' ? {} : {body}),
  signal: AbortSignal.timeout(20_000),
});
const said = await answer.text();
let parsed: unknown = said;
try {
  parsed = JSON.parse(said);
} catch {
  // it is text then
}
process.stdout.write(JSON.stringify({status: answer.status, body: parsed}));

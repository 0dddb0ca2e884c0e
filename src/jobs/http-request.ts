import type {HttpRun} from '../schema/job-type.ts';
import {argText, fillText, fillValue} from './fill.ts';

/** An HTTP request that is ready to be sent. */
export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body?: string;
}

type Args = Readonly<Record<string, unknown>>;

/**
 * Fills an HTTP job's request.
 *
 * In `url` an argument is percent-encoded, so that it stays within its place: no argument leads to another host, path segment or query parameter. Only one
 * at the very beginning is a URL by itself. In header values arguments stand as text without control characters, in a text body as they are; in any
 * other body they are JSON.
 *
 * @throws Error that names the argument and shows no value: they may be secret.
 */
export function httpRequest(run: HttpRun, args: Args): HttpRequest {
  const url = requestUrl(run.url, args);
  const headers = new Headers();
  for (const [name, template] of run.headers ?? []) {
    const value = fillText(template, args);
    if (/\p{Cc}/u.test(value.replaceAll('\t', ' '))) throw new Error(`the header ${name} would hold a control character`);
    try {
      headers.append(name, value);
    } catch {
      throw new Error(`the header ${name} cannot be sent: it holds characters that no header has`);
    }
  }
  if (run.body === undefined) return {method: run.method, url, headers};
  const isText = typeof run.body === 'string';
  const body = isText ? fillText(run.body as string, args) : JSON.stringify(fillValue(run.body, args));
  if (!headers.has('content-type')) headers.set('content-type', isText ? 'text/plain; charset=utf-8' : 'application/json');
  return {method: run.method, url, headers, body};
}

function requestUrl(template: string, args: Args): URL {
  const fill = (write: (value: unknown) => string): string => fillText(template, args, (value, at) => (at === 0 ? argText(value) : write(value)));
  const url = parseUrl(fill((value) => encodeURIComponent(argText(value).toWellFormed())));
  if (url === undefined) throw new Error('its url is none when the arguments are filled in');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('its url is neither http nor https');
  if (url.username !== '' || url.password !== '') throw new Error('its url names a user or a password');
  // `.` and `..` are taken out of a path, encoded or not: an argument could shorten it by that.
  const plain = parseUrl(fill(() => '1')); // A digit may stand anywhere, in a port too.
  if (plain !== undefined && segments(plain) !== segments(url)) throw new Error('an argument would change the path of its url');
  return url;
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function segments(url: URL): number {
  return url.pathname.split('/').length;
}

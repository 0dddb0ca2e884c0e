import {isIPv4} from 'node:net';

/** Whether what listens on `host`, a name or an address with or without brackets, can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'));
}

/** Whether what such an address answers can be believed: https, or http that does not leave this machine. No credentials in it. */
export function isTrustedUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/** Writes one line of JSON on standard error: `time` (RFC 3339), `message` (constant text), and what varies as fields. Never a token. */
export type Note = (message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** A {@link Note} that says who speaks: `server` or `worker`. A logging library would cost more start-up time than this whole program. */
export function noteAs(component: string): Note {
  return (message, fields = {}) => {
    process.stderr.write(`${JSON.stringify({time: new Date().toISOString(), component, pid: process.pid, message, ...fields})}\n`);
  };
}

/** The text of anything thrown, with its cause (Node puts what really happened to a connection there) and its code. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = 'code' in thrown && typeof thrown.code === 'string' && !thrown.message.includes(thrown.code) ? ` (${thrown.code})` : '';
  return `${thrown.message}${code}${thrown.cause === undefined ? '' : `: ${reasonOf(thrown.cause)}`}`;
}

/** Records as the server sends them, by the wire's own member names. */

export interface WireArg {
  readonly Name: string;
  readonly Desc?: string;
  readonly Type: 'required' | 'optional' | 'static';
  readonly Given?: boolean;
  readonly Default?: unknown;
  readonly Value?: unknown;
}

export function anArg(name: string, type: WireArg['Type'], more: Partial<WireArg> = {}): WireArg & {readonly Pos: number} {
  return {Pos: 0, Name: name, Desc: '', Type: type, Given: type === 'required', Default: null, Value: null, ...more};
}

export function aRequest(more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    id: 'c0ffee00c0ffee00c0ff',
    type: 'test',
    state: 2,
    user: 'ana',
    createdAt: '2021-03-04T05:59:00Z',
    startedAt: '2021-03-04T05:59:55Z',
    finishedAt: null,
    totalJobs: 9,
    finishedJobs: 1,
    ...more,
  };
}

/** A log entry as JSON text: its times do not fit into a number of JavaScript's. */
export function aLogEntry(
  more: Readonly<Record<string, unknown>> = {},
  startedAt = '1614834367891234567',
  finishedAt = '1614834368000000000',
): string {
  const entry = {
    requestId: 'c0ffee00c0ffee00c0ff',
    jobId: 'aB3x',
    try: 1,
    name: 'load',
    type: 'loader',
    state: 3,
    exit: 0,
    error: '',
    stdout: '',
    stderr: '',
    ...more,
  };
  return JSON.stringify(entry).replace(/\}$/, `,"startedAt":${startedAt},"finishedAt":${finishedAt}}`);
}

export function aJobStatus(more: Readonly<Record<string, unknown>> = {}, startedAt = '1614837595000000001'): string {
  const status = {requestId: 'c0ffee00c0ffee00c0ff', jobId: 'aB3x', type: 'loader', name: 'load', state: 2, status: 'reading 3/9', try: 1, ...more};
  return JSON.stringify(status).replace(/\}$/, `,"startedAt":${startedAt}}`);
}

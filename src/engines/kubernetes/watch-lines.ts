import {ControlPlaneError} from '../../lib/errors.ts';

/** An object is at most some 1.5 MB, that of etcd's requests. */
const LONGEST_LINE_BYTES = 8 * 1024 * 1024;

/**
 * The lines of a stream that goes on, each as soon as it is whole. `onData` is called for whatever comes: the stream lives.
 *
 * @throws ControlPlaneError `unavailable`: a line has no end.
 */
export async function* watchLines(stream: AsyncIterable<Buffer>, onData: () => void): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    onData();
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString();
      [parts, bytes] = [[], 0];
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    bytes += rest.length;
    if (bytes > LONGEST_LINE_BYTES) throw new ControlPlaneError('unavailable', 'Kubernetes: a line of a watch has no end');
    if (rest.length > 0) parts.push(rest);
  }
}

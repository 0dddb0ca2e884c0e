/** Characters kept of a message of the kubelet or the scheduler. */
const MESSAGE_LENGTH = 300;

/** A message, not longer than it is worth keeping; empty where there is none. */
export function cut(text: string | undefined): string {
  return (text ?? '').trim().slice(0, MESSAGE_LENGTH);
}

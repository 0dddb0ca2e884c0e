/** Where Spin Cycle's API is, and its version, which it has outside of that as well. */
const REQUEST_PATH = /^\/(api\/v1(\/|$)|version$)/;

/** Whether a path is of Spin Cycle's API, not of SkyDriver's. */
export function isRequestPath(path: string): boolean {
  return REQUEST_PATH.test(path);
}

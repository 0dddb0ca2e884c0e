/** Reads `list:element`. `undefined` unless there is one colon with a name on each side. */
export function splitEach(text: string): {readonly list: string; readonly element: string} | undefined {
  const [list, element, ...more] = text.split(':').map((part) => part.trim());
  if (more.length > 0 || list === undefined || list === '' || element === undefined || element === '' || element === '__proto__') return undefined;
  return {list, element};
}

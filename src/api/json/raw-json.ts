/** JSON text that goes into an answer as it is: a stored result or event, which may be tens of megabytes. */
export class RawJson {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  static of(text: string): RawJson {
    return new RawJson(Buffer.from(text));
  }
}

/** A member of an answer: any JSON value, or text that is JSON already; nested objects may carry such text too. */
export type JsonMembers = {readonly [name: string]: unknown};

/** An object as JSON bytes. Members that are `undefined` are left out. {@link RawJson} is found at the first two levels. */
export function encodeJson(members: JsonMembers): Buffer {
  const parts: Buffer[] = [];
  let text = '';
  const write = (object: JsonMembers): void => {
    let separator = '{';
    for (const [name, value] of Object.entries(object)) {
      if (value === undefined) continue;
      text += `${separator}${JSON.stringify(name)}:`;
      separator = ',';
      if (value instanceof RawJson) {
        parts.push(Buffer.from(text), value.bytes);
        text = '';
      } else if (hasRaw(value)) write(value);
      else text += JSON.stringify(value);
    }
    text += separator === '{' ? '{}' : '}';
  };
  write(members);
  return Buffer.concat([...parts, Buffer.from(text)]);
}

function hasRaw(value: unknown): value is JsonMembers {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).some((each) => each instanceof RawJson || hasRaw(each))
  );
}

/** Items written between two looks at other requests: a few milliseconds of work. */
const SLICE_ITEMS = 200;

/** `{"<name>": [items]}` as JSON bytes, letting other requests run in between. */
export async function encodeList(name: string, items: Iterable<unknown>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let text = `{${JSON.stringify(name)}:[`;
  let count = 0;
  for (const item of items) {
    if (count > 0) text += ',';
    text += JSON.stringify(item);
    count++;
    if (count % SLICE_ITEMS > 0) continue;
    parts.push(Buffer.from(text));
    text = '';
    await new Promise((resolve) => setImmediate(resolve));
  }
  return Buffer.concat([...parts, Buffer.from(`${text}]}`)]);
}

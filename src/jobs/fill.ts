type Args = Readonly<Record<string, unknown>>;

/** `${name}` stands for an argument; `$${name}` for the text `${name}`. */
const PLACEHOLDER = /(\$?)\$\{([^${}]+)\}/g;

/** @throws Error when an argument is missing */
function valueOf(args: Args, name: string): unknown {
  if (!Object.hasOwn(args, name)) throw new Error(`arg ${name} is not set`);
  return args[name];
}

/** An argument as text: as it is, null as nothing, lists and mappings as JSON. */
export function argText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A text with its placeholders filled. `write` puts each argument into the form that its place needs. @throws Error when an argument is missing */
export function fillText(template: string, args: Args, write: (value: unknown, at: number) => string = argText): string {
  return template.replaceAll(PLACEHOLDER, (whole, escape: string, name: string, at: number) =>
    escape === '' ? write(valueOf(args, name), at) : whole.slice(1),
  );
}

/** JSON with its placeholders filled, at every level: a string that is nothing but one becomes the argument itself, whatever its type. @throws Error when one is missing */
export function fillValue(template: unknown, args: Args): unknown {
  if (typeof template === 'string') {
    const sole = /^\$\{([^${}]+)\}$/.exec(template)?.[1];
    return sole === undefined ? fillText(template, args) : valueOf(args, sole);
  }
  if (Array.isArray(template)) return template.map((item) => fillValue(item, args));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, member]) => [key, fillValue(member, args)]));
}

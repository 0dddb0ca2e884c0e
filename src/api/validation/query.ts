import {WordedError} from '../api-error.ts';

const TRUE = new Set(['y', 'yes', 't', 'true', 'on', '1']);
const FALSE = new Set(['', 'n', 'no', 'f', 'false', 'off', '0']);

/** A truth value, said in one of many words; `undefined` for none of them. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (TRUE.has(word)) return true;
  return FALSE.has(word) ? false : undefined;
}

/** Arguments of a request without a body of its own: the query's win over those of a JSON body; of a repeated one, the last counts. */
export class Arguments {
  readonly #query: URLSearchParams;
  readonly #body: Readonly<Record<string, unknown>>;

  constructor(query: string, body: Readonly<Record<string, unknown>> = {}) {
    this.#query = new URLSearchParams(query);
    this.#body = body;
  }

  /** As given, blanks around it included. */
  text(name: string): string | undefined {
    const value = this.#query.getAll(name).at(-1) ?? this.#body[name];
    if (value === undefined || value === null) return undefined;
    return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
  }

  /** @throws ApiError `invalid`: not one of the words for true and false. */
  boolean(name: string, fallback = false): boolean {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = parseBoolean(text);
    if (value !== undefined) return value;
    throw new WordedError('invalid', (texts) => texts.query(name));
  }

  /** Names of the query that are none of `known`, in the order of their first use. */
  namesBut(known: readonly string[]): string[] {
    return [...new Set(this.#query.keys())].filter((name) => !known.includes(name));
  }
}

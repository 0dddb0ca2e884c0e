import {badRequest} from '../api-error.ts';

const TRUE = new Set(['y', 'yes', 't', 'true', 'on', '1']);
const FALSE = new Set(['', 'n', 'no', 'f', 'false', 'off', '0']);

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
    const text = this.text(name)?.trim().toLowerCase();
    if (text === undefined) return fallback;
    if (TRUE.has(text)) return true;
    if (FALSE.has(text)) return false;
    throw badRequest(`Query parameter error: ${name}`);
  }
}

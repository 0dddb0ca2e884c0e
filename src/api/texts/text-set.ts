/** One way in which a body breaks its schema. */
export interface Violation {
  /** Member names from the outermost object inwards; empty for the body itself. */
  readonly path: readonly string[];
  /** The JSON schema keyword that is violated, and its value. */
  readonly keyword: string;
  readonly expected: unknown;
  /** The schema that has the keyword. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly given: unknown;
  /** What is missing (`required`: one name) or too much (`additionalProperties`); empty for other keywords. */
  readonly names: readonly string[];
}

/** A document that was asked for and is not there, by the name of its collection. @see SkyDriver 2.x, database collections */
export type Collection = 'Manifests' | 'ScanRequests';

/**
 * The words in which a version of SkyDriver tells what is wrong with a request. Clients and tests compare them byte for byte.
 *
 * What is wrong is found out once, the same way for all; a text set only says it.
 */
export interface TextSet {
  /** `violations` stand in the newest version's order; `members` are the names that the body's schema knows, in its order. */
  readonly body: (violations: readonly Violation[], members: readonly string[]) => string;
  /** One argument is wrong in a way that no schema tells. `problem` is the newest version's text. */
  readonly argument: (name: string, problem: string) => string;
  /** An argument of the query is not what it should be. */
  readonly query: (name: string) => string;
  /** Arguments of the query that nobody knows; `undefined`: they are ignored. */
  readonly unknownQuery: (names: readonly string[]) => string | undefined;
  readonly missing: (collection: Collection) => string;
  readonly noBody: string;
  /** `text` is how the body begins. */
  readonly notJson: (text: string) => string;
  /** Whether an argument under two of its names is refused, with this text. */
  readonly twoNames: (name: string) => string | undefined;
  /** Whether a reason may have a `<` in it: its web framework does not take it for markup. */
  readonly allowsMarkup: boolean;
}

import type {JsonSchema} from '../../schema/validate.ts';
import type {Route} from '../route.ts';
import type {SchemaCheck} from '../validation/body-check.ts';

/** An argument outside the body. */
export interface Parameter {
  readonly name: string;
  readonly description: string;
  readonly schema: JsonSchema;
}

/** What the OpenAPI document says of a route, beside its method, path and roles. */
interface Description {
  /** One sentence: what a caller gets or what happens. */
  readonly summary: string;
  /** What programs call it, where method and path would give two routes one name. */
  readonly name?: string;
  /** Arguments in the query. `no_redirect` is added to the routes that redirect. */
  readonly query?: readonly Parameter[];
  readonly headers?: readonly Parameter[];
  /** The body of a 200: JSON, unless `answerType` names something else. */
  readonly answer: JsonSchema;
  readonly answerType?: 'text/plain' | 'text/html';
  /** Header fields of a 200 that a caller may act on. */
  readonly answerHeaders?: readonly Parameter[];
  /** Further answers: errors worth a word of their own; with a schema, one that has not the shape of an error. */
  readonly otherAnswers?: Readonly<Record<number, {readonly description: string; readonly schema?: JsonSchema}>>;
}

/** The very function that checks the request's body, so that the document cannot say anything else. */
interface WithBody {
  readonly method: 'post' | 'put' | 'patch' | 'delete';
  readonly body: SchemaCheck<unknown>;
  readonly mayLackBody?: true;
}

interface WithoutBody {
  readonly method: 'get';
  readonly body?: never;
}

/** A row of version 2's route table. Without a description it does not compile. */
export type DescribedRoute = Route & Description & (WithBody | WithoutBody);

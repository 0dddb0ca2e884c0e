import {must} from '../../lib/assert.ts';
import {BLOCK_ID, DEPLOYMENT_ID} from '../../schema/block-ids.ts';
import type {JsonSchema} from '../../schema/validate.ts';
import {errorSchema} from './common.ts';
import type {DescribedRoute, Parameter} from './described-route.ts';
import {Dialect} from './dialect.ts';
import {NO_REDIRECT} from './parameters.ts';
import {NAMED_SCHEMAS} from './schemas.ts';

export interface Content {
  readonly [mediaType: string]: {readonly schema: JsonSchema};
}

export interface DocumentParameter extends Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly required?: true;
}

export interface DocumentAnswer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, {readonly description: string; readonly schema: JsonSchema}>>;
  readonly content?: Content;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  /** One of these has to be fulfilled; none: nobody is asked who they are. The list names the role. */
  readonly security: readonly {readonly bearer: readonly string[]}[];
  readonly parameters?: readonly DocumentParameter[];
  readonly requestBody?: {readonly required: boolean; readonly content: Content};
  /** By status, or `default`. */
  readonly responses: Readonly<Record<string, DocumentAnswer>>;
}

/** The parts of an OpenAPI 3.1 document that we use. @see https://spec.openapis.org/oas/v3.1.1 */
export interface OpenApiDocument {
  readonly openapi: '3.1.1';
  readonly info: {readonly title: string; readonly version: string; readonly description: string};
  readonly servers: readonly {readonly url: string}[];
  readonly tags: readonly {readonly name: string}[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: Readonly<Record<string, JsonSchema>>;
  };
}

const DESCRIPTION = `Scans of the sky, in the wire shapes of SkyDriver 2. The reason of an error stands in the status line as well as in the body.
A query wins over a JSON body in which the same argument stands; of a repeated argument the last one counts; what is not known in a query is ignored.
Versions 1 and 0 are served at \`/v1\` and \`/v0\`, in the wire shapes of SkyDriver 1.3 and 0.0; they are not described here.`;

/** Describes version 2 of the API. `address` is the one under which clients reach us. */
export function openApiDocument(routes: readonly DescribedRoute[], address: string): OpenApiDocument {
  const dialect = new Dialect(NAMED_SCHEMAS);
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) (paths[templateOf(route.path)] ??= {})[route.method] = operationOf(route, dialect);
  const tags = [...new Set(routes.map(({path}) => tagOf(path)))];
  return {
    openapi: '3.1.1',
    info: {title: 'scanplane', version: '2', description: DESCRIPTION},
    servers: [{url: `${address}/v2`}],
    tags: tags.map((name) => ({name})),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(NAMED_SCHEMAS).map(([name, schema]) => [name, dialect.define(schema)])),
      securitySchemes: {bearer: {type: 'http', scheme: 'bearer'}},
    },
  };
}

const PATH_PARAMETER = /:(\w+)/g;

/** `/scan/:id/result` → `/scan/{id}/result` */
const templateOf = (path: string): string => path.replace(PATH_PARAMETER, '{$1}');

/** Whom a route is for: those who scan, those who process, or those who run the service. */
function tagOf(path: string): string {
  if (BLOCK_PATH.test(path)) return 'blocks';
  return path.startsWith('/scan') ? 'scans' : 'service';
}

const BLOCK_PATH = /^\/(eb|pb|script|deploy)(\/|$)/;

/** What may stand in a path. */
const PATH_PARAMETERS: Readonly<Record<string, Pick<Parameter, 'description' | 'schema'>>> = {
  id: {description: 'The scan’s id.', schema: {type: 'string', pattern: '^\\w{1,128}$'}},
  eb: {description: 'The execution block’s id.', schema: {type: 'string', pattern: BLOCK_ID.source}},
  pb: {description: 'The processing block’s id.', schema: {type: 'string', pattern: BLOCK_ID.source}},
  script: {description: 'The script’s `kind:name:version`.', schema: {type: 'string'}},
  deploy: {description: 'The deployment’s id.', schema: {type: 'string', pattern: DEPLOYMENT_ID.source}},
};

/** `get`, `/scan/:id/ewms/workflow-id` → `getScanEwmsWorkflowId` */
function operationIdOf({method, path, name}: DescribedRoute): string {
  if (name !== undefined) return name;
  const words = path.replace(PATH_PARAMETER, '').split(/\W+/).filter(Boolean);
  return method + (words.length === 0 ? ['root'] : words).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function operationOf(route: DescribedRoute, dialect: Dialect): Operation {
  const {path, roles, summary, body} = route;
  const parameters = parametersOf(route, dialect);
  return {
    operationId: operationIdOf(route),
    tags: [tagOf(path)],
    summary,
    security: roles.map((role) => ({bearer: [role]})),
    ...(parameters.length === 0 ? {} : {parameters}),
    ...(body === undefined ? {} : {requestBody: {required: route.mayLackBody !== true, content: json(dialect.use(body.schema))}}),
    responses: answersOf(route, dialect),
  };
}

function parametersOf(route: DescribedRoute, dialect: Dialect): DocumentParameter[] {
  const shown = ({name, description, schema}: Parameter): Parameter => ({name, description, schema: dialect.use(schema)});
  const query = [...(route.query ?? []), ...(route.redirect === true ? [NO_REDIRECT] : [])];
  return [
    ...[...route.path.matchAll(PATH_PARAMETER)].map(([, name = '']): DocumentParameter => ({
      name,
      in: 'path',
      required: true,
      ...must(PATH_PARAMETERS[name], 'every parameter of a path is described'),
    })),
    ...query.map((each): DocumentParameter => ({...shown(each), in: 'query'})),
    ...(route.headers ?? []).map((each): DocumentParameter => ({...shown(each), in: 'header'})),
  ];
}

function answersOf(route: DescribedRoute, dialect: Dialect): Record<string, DocumentAnswer> {
  const error = json(dialect.use(errorSchema));
  const refusal = (description: string): DocumentAnswer => ({description, content: error});
  const headers = (route.answerHeaders ?? []).map(({name, description, schema}) => [name, {description, schema: dialect.use(schema)}] as const);
  const answers: Record<string, DocumentAnswer> = {
    200: {
      description: 'Done.',
      ...(headers.length === 0 ? {} : {headers: Object.fromEntries(headers)}),
      content: route.answerType === undefined ? json(dialect.use(route.answer)) : {[route.answerType]: {schema: dialect.use(route.answer)}},
    },
  };
  const hasId = route.path.includes(':');
  if (route.redirect === true) {
    const status = route.method === 'get' ? 302 : 307;
    const headers = {Location: {description: 'The same address with the other scan’s id.', schema: {type: 'string'}}};
    answers[status] = {description: 'The scan was replaced by another.', headers};
  }
  if (route.body !== undefined || route.query !== undefined) answers[400] = refusal('Arguments that cannot be taken; the reason names them.');
  if (route.roles.length > 0) {
    const more = route.deployments === true ? ' The token of a deployment may call, too, and write what belongs to its own processing block.' : '';
    answers[403] = refusal(`\`authentication failed\`: nobody knows who calls; \`authorization failed\`: they may not.${more}`);
  }
  if (hasId) answers[404] = refusal(BLOCK_PATH.test(route.path) ? 'There is no such object.' : 'There is no such scan.');
  if (route.body !== undefined) answers[413] = refusal('The body is too large.');
  for (const [status, {description, schema}] of Object.entries(route.otherAnswers ?? {})) {
    answers[status] = schema === undefined ? refusal(description) : {description, content: json(dialect.use(schema))};
  }
  answers['default'] = refusal('Anything else; 503 with `Retry-After` when the same request may succeed later.');
  return answers;
}

const json = (schema: JsonSchema): Content => ({'application/json': {schema}});

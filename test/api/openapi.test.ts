import {Ajv2020} from 'ajv/dist/2020.js';
import {describe, expect, test} from 'vitest';
import {openApiDocument} from '../../src/api/openapi/document.ts';
import type {Operation} from '../../src/api/openapi/document.ts';
import {renderPage} from '../../src/api/openapi/page.ts';
import {NAMED_SCHEMAS} from '../../src/api/openapi/schemas.ts';
import {answerViolations, bareRoutes} from '../support/answer-check.ts';

const routes = bareRoutes();
const document = openApiDocument(routes, 'http://api.example');
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({method, path, operation})),
);
const operationAt = (method: string, path: string): Operation => document.paths[path]?.[method] as Operation;

/** Every `$ref` below a value. */
function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => (name === '$ref' ? [String(inner)] : refsIn(inner)));
}

/** What the OpenAPI specification demands of a document, as far as ours goes. @see https://spec.openapis.org/oas/v3.1.1 */
const CONTENT = {
  type: 'object',
  minProperties: 1,
  propertyNames: {pattern: '^[a-z]+/[a-z]+$'},
  additionalProperties: {type: 'object', required: ['schema'], properties: {schema: {$ref: 'https://json-schema.org/draft/2020-12/schema'}}},
};
const PARAMETER = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'in', 'schema'],
  properties: {
    name: {type: 'string'},
    in: {enum: ['path', 'query', 'header']},
    required: {type: 'boolean'},
    description: {type: 'string'},
    schema: {$ref: 'https://json-schema.org/draft/2020-12/schema'},
  },
  anyOf: [{properties: {in: {enum: ['query', 'header']}}}, {required: ['required'], properties: {in: {const: 'path'}, required: {const: true}}}],
};
const OPERATION = {
  type: 'object',
  additionalProperties: false,
  required: ['operationId', 'summary', 'responses'],
  properties: {
    operationId: {type: 'string', pattern: '^[a-z]\\w+$'},
    tags: {type: 'array', items: {type: 'string'}},
    summary: {type: 'string', minLength: 1},
    security: {type: 'array', items: {type: 'object', additionalProperties: {type: 'array', items: {type: 'string'}}}},
    parameters: {type: 'array', items: PARAMETER},
    requestBody: {type: 'object', required: ['content'], additionalProperties: false, properties: {required: {type: 'boolean'}, content: CONTENT}},
    responses: {
      type: 'object',
      required: ['200', 'default'],
      patternProperties: {
        '^([1-5]\\d\\d|default)$': {
          type: 'object',
          required: ['description'],
          additionalProperties: false,
          properties: {description: {type: 'string'}, headers: {type: 'object'}, content: CONTENT},
        },
      },
      additionalProperties: false,
    },
  },
};
const DOCUMENT = {
  type: 'object',
  additionalProperties: false,
  required: ['openapi', 'info', 'paths'],
  properties: {
    openapi: {type: 'string', pattern: '^3\\.1\\.\\d+$'},
    info: {type: 'object', required: ['title', 'version'], properties: {title: {type: 'string'}, version: {type: 'string'}}},
    servers: {type: 'array', items: {type: 'object', required: ['url']}},
    tags: {type: 'array', items: {type: 'object', required: ['name']}},
    paths: {
      type: 'object',
      propertyNames: {pattern: '^/'},
      additionalProperties: {type: 'object', propertyNames: {enum: ['get', 'put', 'post', 'delete', 'patch']}, additionalProperties: OPERATION},
    },
    components: {
      type: 'object',
      additionalProperties: false,
      properties: {
        schemas: {type: 'object', additionalProperties: {$ref: 'https://json-schema.org/draft/2020-12/schema'}},
        securitySchemes: {type: 'object'},
      },
    },
  },
};

describe('the OpenAPI document', () => {
  test('is built as OpenAPI 3.1 says, with schemas of JSON Schema 2020-12', () => {
    const validate = new Ajv2020({strict: false, allErrors: true}).compile(DOCUMENT);
    validate(JSON.parse(JSON.stringify(document)));
    expect(validate.errors ?? []).toEqual([]);
  });

  test('has each route of the table, and no other', () => {
    const described = operations.map(({method, path}) => `${method} ${path}`);
    expect(described).toEqual([...new Set(described)]);
    expect(described.toSorted()).toEqual(routes.map(({method, path}) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`).toSorted());
  });

  test('calls each operation by a name of its own', () => {
    const names = operations.map(({operation}) => operation.operationId);
    expect(new Set(names).size).toBe(names.length);
  });

  test('declares the parameters that stand in a path', () => {
    for (const {path, operation} of operations) {
      const declared = (operation.parameters ?? []).filter((each) => each.in === 'path').map(({name}) => `{${name}}`);
      expect({path, declared}).toEqual({path, declared: path.match(/\{\w+\}/g) ?? []});
    }
  });

  test('tells the roles of each route as the table has them', () => {
    for (const {method, path, roles} of routes) {
      const {security} = operationAt(method, path.replace(/:(\w+)/g, '{$1}'));
      expect({method, path, roles: security.flatMap(({bearer}) => bearer)}).toEqual({method, path, roles});
    }
  });

  test('refers to nothing that it has not', () => {
    const known = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect(refsIn(document).filter((ref) => !known.includes(ref))).toEqual([]);
  });

  test('has the schemas of SkyDriver’s glossary by name', () => {
    const glossary = [
      ...['Error', 'FreeFormObject', 'RealOrSimulatedEvent', 'LogUrlLink', 'DataSize', 'ManifestProjection', 'RequestClusters'],
      ...['ScannerServerEnvFromUser', 'Manifest', 'Progress', 'Result', 'ScanBacklogEntry', 'ScanRequestObj', 'SkyscanK8sJob', 'I3Event'],
      'ManifestAndResultResponse',
    ];
    expect(Object.keys(NAMED_SCHEMAS)).toEqual(expect.arrayContaining(glossary));
    const schemas = document.components.schemas as Readonly<Record<string, {readonly properties?: Readonly<Record<string, unknown>>}>>;
    expect(Object.keys(schemas['Error']?.properties ?? {})).toEqual(expect.arrayContaining(['error', 'reason', 'message']));
    expect(schemas['ScanBacklogEntry']?.properties).toHaveProperty('pickled_k8s_job');
    expect(schemas['ScanRequestObj']?.properties).toHaveProperty('rescan_ids');
    expect(schemas['LogUrlLink']?.properties?.['url']).toEqual({type: ['string', 'null']});
  });

  test('shows for a body the very schema that checks it, in the dialect of 2020-12', () => {
    const body = operationAt('post', '/scan').requestBody?.content['application/json']?.schema as unknown as {
      readonly required: unknown;
      readonly properties: Readonly<Record<string, unknown>>;
    };
    expect(body.required).toEqual(['docker_tag', 'reco_algo', 'nsides', 'real_or_simulated_event', 'max_pixel_reco_time']);
    expect(body.properties['request_clusters']).toEqual({$ref: '#/components/schemas/RequestClusters'});
    expect(body.properties['max_pixel_reco_time']).toEqual({type: 'integer', minimum: 1});
    const clusters = document.components.schemas['RequestClusters'] as {readonly anyOf: readonly {readonly items?: unknown}[]};
    expect(clusters.anyOf[1]?.items).toMatchObject({
      type: 'array',
      prefixItems: [{type: 'string'}, {type: 'integer', minimum: 1}],
      items: false,
    });
  });

  test('says where a query counts, and that a replaced scan sends its user on', () => {
    const names = (operationAt('get', '/scan/{id}/manifest').parameters ?? []).map(({name}) => name);
    expect(names).toEqual(['id', 'include_deleted', 'projection', 'no_redirect']);
    expect(Object.keys(operationAt('get', '/scan/{id}/manifest').responses)).toContain('302');
    expect(Object.keys(operationAt('delete', '/scan/{id}').responses)).toContain('307');
    expect(Object.keys(operationAt('put', '/scan/{id}/result').responses)).not.toContain('307');
  });
});

describe('the check of answers', () => {
  test.each<[string, string, number, unknown]>([
    ['get', '/scan/x/logs', 200, {scanner_server: {url: 5}}],
    ['get', '/v2/scan/x/logs?a=b', 200, {scanner_server: {url: 'u', more: 1}}],
    ['post', '/scans/find', 200, {manifests: [{scan_id: 1}]}],
    ['get', '/scan/x/status', 404, {error: 'Not Found'}],
    ['get', '/scan/x/status', 404, {code: 404, error: 'Not Found', stack: 'at'}],
    [
      'get',
      '/scans/backlog',
      200,
      {entries: [{scan_id: 'x', timestamp: 1, priority: 0, pending_timestamp: 0, next_attempt: 0, pickled_k8s_job: 'aGk='}]},
    ],
    ['get', '/no/such/route', 404, {message: 'Not Found'}],
    ['get', '/readyz', 503, {code: 503, error: 'x'}],
    ['get', '/scan/x/new', 200, {}],
    ['get', '/scan/x/k8s-job', 200, {}],
  ])('finds what is wrong: %s %s %i %j', (method, path, status, body) => {
    expect(answerViolations(method, path, status, body)).toEqual(expect.any(String));
  });

  test.each<[string, string, number, unknown]>([
    ['GET', '/scan/x/logs', 200, {scanner_server: {url: null}}],
    ['GET', '/v2', 200, {}],
    ['GET', '/scan/x/result', 200, {}],
    ['GET', '/no/such/route', 404, {code: 404, error: 'Not Found'}],
    ['GET', '/v1/scan/x/status', 200, {pods: 1}],
    ['GET', '/scan/manifest/x?include_deleted=true', 200, {complete: 1}],
  ])('finds nothing where there is nothing: %s %s %i %j', (method, path, status, body) => {
    expect(answerViolations(method, path, status, body)).toBe(undefined);
  });
});

describe('the page', () => {
  const page = renderPage(document);

  test('needs nothing from elsewhere and runs nothing', () => {
    expect(page).not.toMatch(/<script|<link|<img|src=|url\(|@import/i);
    expect(page.match(/href="[^"]*"/g)?.filter((href) => !/^href="(#[\w-]+|openapi\.json)"$/.test(href))).toEqual([]);
  });

  test('has an anchor for each route and schema, and each link leads to one', () => {
    const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const {operation} of operations) expect(anchors).toContain(operation.operationId);
    for (const name of Object.keys(NAMED_SCHEMAS)) expect(anchors).toContain(`schema-${name}`);
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(anchors).toContain(target);
  });

  test('shows text as text', () => {
    const odd = {...document, info: {...document.info, title: '<script>alert("x")</script> & co'}};
    expect(renderPage(odd)).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; co');
  });
});

import {Ajv2020} from 'ajv/dist/2020.js';
import type {ValidateFunction} from 'ajv/dist/2020.js';
import {v2Routes} from '../../src/api/app.ts';
import type {RouteDeps} from '../../src/api/deps.ts';
import {generationOf} from '../../src/api/generation.ts';
import {isRequestPath} from '../../src/api/requests/paths.ts';
import type {DescribedRoute} from '../../src/api/openapi/described-route.ts';
import {openApiDocument} from '../../src/api/openapi/document.ts';
import type {OpenApiDocument, Operation} from '../../src/api/openapi/document.ts';

/** Version 2's table, with what is there in some configurations only. Nothing may be asked of it: what its handlers work with is not there. */
export function bareRoutes(): DescribedRoute[] {
  return v2Routes({config: {publicAddress: 'http://api.example', k8sJob: {}}} as RouteDeps);
}

let document: OpenApiDocument | undefined;
const getDocument = (): OpenApiDocument => (document ??= openApiDocument(bareRoutes(), 'http://api.example'));

let ajv: Ajv2020 | undefined;
const compiled = new Map<string, ValidateFunction>();

/** The schema that stands at a place of the document, ready to check with. */
function validatorAt(pointer: string): ValidateFunction {
  let validate = compiled.get(pointer);
  if (validate !== undefined) return validate;
  if (ajv === undefined) {
    ajv = new Ajv2020({strict: false, allErrors: true});
    ajv.addSchema({...getDocument(), $id: 'openapi'});
  }
  validate = ajv.compile({$ref: `openapi${pointer}`});
  compiled.set(pointer, validate);
  return validate;
}

const escaped = (part: string): string => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

/** The operation of version 2 that a request reaches, with its template. */
function operationOf(method: string, path: string): {readonly template: string; readonly operation: Operation} | undefined {
  const bare = path.replace(/[?#].*$/s, '').replace(/^\/v2(?=\/|$)/, '') || '/';
  for (const [template, methods] of Object.entries(getDocument().paths)) {
    const pattern = new RegExp(`^${template.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`);
    const operation = methods[method.toLowerCase()];
    if (operation !== undefined && pattern.test(bare)) return {template, operation};
  }
  return undefined;
}

/**
 * What is wrong with a JSON answer by the OpenAPI document; nothing for other versions of the API and for what is no JSON.
 *
 * @param path with its query
 */
export function answerViolations(method: string, path: string, status: number, body: unknown): string | undefined {
  const bare = path.replace(/[?#].*$/s, '');
  if (method === 'HEAD' || isRequestPath(bare) || generationOf(bare) !== 'v2') return undefined; // The answer of a HEAD has no body.
  const found = operationOf(method, path);
  if (found === undefined && status < 400) return 'nobody described this route';
  let pointer = '#/components/schemas/Error';
  if (found !== undefined) {
    const {template, operation} = found;
    const name = Object.hasOwn(operation.responses, status) ? String(status) : 'default';
    if (operation.responses[name]?.content?.['application/json'] === undefined) return `${status} is told to have no JSON`;
    pointer = `#/paths/${escaped(template)}/${method.toLowerCase()}/responses/${name}/content/application~1json/schema`;
  }
  const validate = validatorAt(pointer);
  return validate(body) ? undefined : (validate.errors ?? []).map(({instancePath, message}) => `${instancePath} ${message}`).join('; ');
}

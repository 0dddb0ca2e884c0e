import type {RouteDeps} from '../deps.ts';
import type {DescribedRoute} from './described-route.ts';
import {openApiDocument} from './document.ts';
import type {OpenApiDocument} from './document.ts';
import {renderPage} from './page.ts';

/** Nothing but what is written in the page itself. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The description of `routes` and of these two, for programs and for people. */
export function openApiRoutes(deps: RouteDeps, routes: readonly DescribedRoute[]): DescribedRoute[] {
  let document: OpenApiDocument | undefined;
  let page: string | undefined;
  // Made when it is first asked for: most processes never are.
  const getDocument = (): OpenApiDocument => (document ??= openApiDocument([...routes, ...own], deps.config.publicAddress));
  const own: DescribedRoute[] = [
    {
      method: 'get',
      path: '/openapi.json',
      roles: [],
      summary: 'This description.',
      answer: {type: 'object', required: ['openapi', 'info', 'paths']},
      handle: async () => getDocument(),
    },
    {
      method: 'get',
      path: '/docs',
      roles: [],
      summary: 'This description as a page.',
      answer: {type: 'string'},
      answerType: 'text/html',
      handle: async ({ctx}) => {
        page ??= renderPage(getDocument());
        ctx.set('Content-Type', 'text/html; charset=UTF-8');
        ctx.set('Content-Security-Policy', PAGE_POLICY);
        ctx.body = page;
        return undefined;
      },
    },
  ];
  return own;
}

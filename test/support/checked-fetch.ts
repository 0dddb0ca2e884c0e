import {answerViolations} from './answer-check.ts';

/** As the global `fetch`, of an API of ours. @throws Error when the answer is not as the OpenAPI document says. */
export async function checkedFetch(url: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(url, init);
  if (answer.headers.get('content-type')?.startsWith('application/json') !== true) return answer;
  const {pathname, search} = new URL(answer.url); // Where redirects have led.
  const method = init.method ?? 'GET';
  const violations = answerViolations(method, pathname + search, answer.status, await answer.clone().json());
  if (violations !== undefined) throw new Error(`the answer of ${method} ${pathname} is not as described: ${violations}`);
  return answer;
}

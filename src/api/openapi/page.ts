import type {Content, DocumentAnswer, DocumentParameter, OpenApiDocument, Operation} from './document.ts';
import {html, prose} from './html.ts';
import type {Html} from './html.ts';
import {schemaHtml} from './schema-html.ts';

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --link: light-dark(#0550ae, #79b8ff); }
body { margin: 0 auto; max-width: 62rem; padding: 1rem 1.25rem 4rem; font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
code { font: 0.92em ui-monospace, monospace; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); } h3 { margin: 2rem 0 0; } h4 { margin: 0.8rem 0 0.2rem; }
p { margin: 0.3rem 0; } small { opacity: 0.75; }
table { border-collapse: collapse; width: 100%; margin: 0.3rem 0; }
td { border-top: 1px solid var(--line); padding: 0.25rem 0.6rem 0.25rem 0; vertical-align: top; } td:first-child { width: 16rem; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 600; text-transform: uppercase; }
.schema { background: var(--soft); border-radius: 4px; padding: 0.4rem 0.7rem; }
section:target > h3 { background: var(--soft); }
`;

/** The document as one page that needs nothing else: routes with their arguments and answers, then the named schemas. */
export function renderPage(document: OpenApiDocument): string {
  const {info, servers, tags, paths, components} = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({method, path, operation})),
  );
  const schemas = Object.entries(components.schemas);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${info.title}: REST API</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <h1>${info.title}: REST API, version ${info.version}</h1>
        <p>${prose(info.description)}</p>
        <p>At <code>${servers.map(({url}) => html`${url}`)}</code>. For programs: <a href="openapi.json">openapi.json</a>.</p>
        <h2 id="routes">Routes</h2>
        ${tags.map(
          ({name}) =>
            html`<h4>${name}</h4>
              <table>
                ${operations
                  .filter(({operation}) => operation.tags.includes(name))
                  .map(
                    ({method, path, operation}) =>
                      html`<tr>
                        <td>
                          <a href="#${operation.operationId}"><span class="method">${method}</span> <code>${path}</code></a>
                        </td>
                        <td>${prose(operation.summary)}</td>
                      </tr>`,
                  )}
              </table>`,
        )}
        ${operations.map(({method, path, operation}) => operationHtml(method, path, operation))}
        <h2 id="schemas">Schemas</h2>
        ${schemas.map(
          ([name, schema]) =>
            html`<section id="schema-${name}">
              <h3><a href="#schema-${name}">${name}</a></h3>
              ${schemaHtml(schema)}
            </section>`,
        )}
      </body>
    </html> `;
  return page.text;
}

function operationHtml(method: string, path: string, operation: Operation): Html {
  const {operationId, summary, security, parameters, requestBody, responses} = operation;
  const roles = security.flatMap(({bearer}) => bearer);
  return html`<section id="${operationId}">
    <h3>
      <a href="#${operationId}"><span class="method">${method}</span> <code>${path}</code></a>
    </h3>
    <p>${prose(summary)}</p>
    <p><small>${roles.length === 0 ? 'Anybody may call.' : `Role ${roles.join(' or ')}.`}</small></p>
    ${
      parameters === undefined
        ? ''
        : html`<h4>Arguments</h4>
            <table>
              ${parameters.map(parameterHtml)}
            </table>`
    }
    ${
      requestBody === undefined
        ? ''
        : html`<h4>Body${requestBody.required ? '' : ' (may be left out)'}</h4>
            ${contentHtml(requestBody.content)}`
    }
    <h4>Answers</h4>
    <table>
      ${Object.entries(responses).map(([status, answer]) => answerHtml(status, answer))}
    </table>
  </section> `;
}

function parameterHtml({name, in: place, description, schema}: DocumentParameter): Html {
  return html`<tr>
    <td><code>${name}</code> <small>${place}</small></td>
    <td>${prose(description)}${schemaHtml(schema)}</td>
  </tr>`;
}

function answerHtml(status: string, {description, headers, content}: DocumentAnswer): Html {
  const fields = Object.entries(headers ?? {}).map(([name, header]) => html`<p><code>${name}</code>: ${prose(header.description)}</p>`);
  return html`<tr>
    <td>${status === 'default' ? 'other' : status}</td>
    <td>${prose(description)}${fields}${content === undefined ? '' : contentHtml(content)}</td>
  </tr>`;
}

function contentHtml(content: Content): Html {
  return html`${Object.entries(content).map(([mediaType, {schema}]) =>
    mediaType === 'application/json' ? schemaHtml(schema) : html`<p><code>${mediaType}</code></p>`,
  )}`;
}

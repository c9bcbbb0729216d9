import { createVerifier } from '@daemun/verify';
import { protectedResource } from '@daemun/verify/koa';
import { afterEach, expect, test } from '@jest/globals';
import { createRouter } from '../src/app.ts';
import { AUDIENCE, type RunningApi, type SendOptions, startApi } from './support/api.ts';
import { contentOf, departures, operations } from './support/openapi.ts';
import { ISSUER } from './support/provider.ts';

let api: RunningApi;
afterEach(() => api?.close());

/** What a request adds to its operation to be answered with the status; `as` is already the owner where one is needed. */
interface Example extends SendOptions {
  readonly prepare?: (running: RunningApi) => unknown;
  readonly limits?: Parameters<typeof startApi>[0];
  /** No credentials. */
  readonly anonymous?: boolean;
  readonly query?: string;
}

const create = { session_id: 'one', data: { n: 1 } };
const asAnn = { as: 'ann', body: create };
const existing: Example = { prepare: (running) => running.send('POST', '/user/ann/session', asAnn) };
const existingPublic: Example = { prepare: (running) => running.send('POST', '/session', { body: create }) };
const providerDown: Example = {
  prepare: (running) => {
    running.provider.down = true;
  },
};
const tokenInQuery: Example = { query: '?access_token=x' };
const somebodyElse: Example = { as: 'eve' };
const nobody: Example = { anonymous: true };
const large: Example = { body: { data: { x: 'x'.repeat(70_000) } } };
const notJson: Example = { body: 'x', headers: { 'content-type': 'text/plain' } };
const change: Example = { body: { data: { n: 2 } } };

const examples: Record<string, Record<number, Example>> = {
  'POST /user/{user_id}/session': {
    201: { body: create },
    400: { body: { session_id: 1 } },
    401: { ...nobody, body: create },
    403: { ...somebodyElse, body: create },
    409: { ...existing, body: create },
    413: large,
    415: notJson,
    503: { ...providerDown, body: create },
  },
  'PUT /user/{user_id}/session/{session_id}': {
    200: { ...existing, ...change },
    400: { ...existing, body: {} },
    401: { ...nobody, ...change },
    403: { ...somebodyElse, ...change },
    404: change,
    413: { ...existing, ...large },
    415: { ...existing, ...notJson },
    503: { ...providerDown, ...change },
  },
  'GET /user/{user_id}/sessions': {
    200: existing,
    400: tokenInQuery,
    401: nobody,
    403: somebodyElse,
    503: providerDown,
  },
  'GET /stream/{user_id}/{session_id}': {
    200: existing,
    400: tokenInQuery,
    401: nobody,
    403: somebodyElse,
    404: {},
    503: { ...existing, limits: { streams: 0 } },
  },
  'POST /session': {
    201: { body: create },
    400: { body: [] },
    409: { ...existingPublic, body: create },
    413: large,
    415: notJson,
    503: { body: create, limits: { publicSessions: 0 } },
  },
  'PUT /session/{session_id}': {
    200: { ...existingPublic, ...change },
    400: { ...existingPublic, body: { data: 1 } },
    404: change,
    413: { ...existingPublic, ...large },
    415: { ...existingPublic, ...notJson },
  },
  'GET /stream/{session_id}': {
    200: existingPublic,
    404: {},
    503: { ...existingPublic, limits: { streams: 0 } },
  },
  'GET /.well-known/oauth-protected-resource': { 200: {} },
};

const documented = operations.flatMap((operation) =>
  Array.from(operation.responses, ([status, response]) => ({ ...operation, status, response })),
);

test('there is an example of every documented answer, and of no other', () => {
  const wanted = documented.map(({ method, path, status }) => `${method} ${path} ${status}`);
  const given = Object.entries(examples).flatMap(([operation, byStatus]) =>
    Object.keys(byStatus).map((status) => `${operation} ${status}`),
  );
  expect(given.sort()).toEqual(wanted.sort());
});

test.each(documented)(
  '$method $path answers $status as documented',
  async ({ method, path, status, response, secured }) => {
    const {
      prepare,
      limits,
      anonymous,
      query = '',
      ...request
    } = (examples[`${method} ${path}`] as Record<number, Example>)[status] as Example;
    api = await startApi(limits);
    await prepare?.(api);
    const target = path.replace('{user_id}', 'ann').replace('{session_id}', 'one') + query;
    const answer = await api.send(method, target, { ...(secured && !anonymous && { as: 'ann' }), ...request });
    expect(answer.status).toBe(status);

    const { type, schema } = contentOf(response);
    expect(answer.headers.get('content-type')?.split(';')[0]).toBe(type);
    for (const name of Object.keys(response.headers ?? {})) expect(answer.headers.get(name)).not.toBeNull();
    if (type === 'text/event-stream') await answer.body?.cancel();
    else expect(departures(await answer.json(), schema)).toEqual([]);
  },
);

test('every route of the code is in the file, with the same methods', () => {
  const resource = protectedResource(createVerifier({ issuer: ISSUER, audience: AUDIENCE }));
  const routes = createRouter(resource).stack.flatMap(({ path, methods }) =>
    methods
      .filter((method) => method !== 'HEAD')
      .map((method) => `${method} ${String(path).replace(/:(\w+)/g, '{$1}')}`),
  );
  const metadata = 'GET /.well-known/oauth-protected-resource'; // answered before the router
  expect([...routes, metadata].sort()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).sort());
});

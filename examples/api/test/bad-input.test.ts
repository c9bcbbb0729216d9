import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RunningApi, type SendOptions, startApi } from './support/api.ts';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi({ sessionsPerUser: 3, publicSessions: 3, streams: 1 });
});
afterAll(async () => {
  await api.close();
  expect(api.failures).toEqual([]);
});

const deep = `{"data":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`;

describe.each<[string, SendOptions]>([
  ['/session', {}],
  ['/user/ann/session', { as: 'ann' }],
])('POST %s', (path, options) => {
  test.each<[string, unknown, Record<string, string>, number, string[]]>([
    ['a body that is not JSON', '{"data":', {}, 400, []],
    ['an empty body', '', {}, 400, []],
    ['a list', [], {}, 400, []],
    ['null', 'null', {}, 400, []],
    ['bytes that are not UTF-8', Buffer.from('{"session_id":"\xff"}', 'latin1'), {}, 400, []],
    ['a value nested without end', deep, {}, 400, []],
    ['a session_id of the wrong type', { session_id: 7 }, {}, 400, ['/session_id']],
    ['a session_id that is a path', { session_id: '../x' }, {}, 400, ['/session_id']],
    ['a session_id without end', { session_id: 'x'.repeat(65) }, {}, 400, ['/session_id']],
    ['data that is a list, and a field too many', { data: [], 'a/b': 1 }, {}, 400, ['/data', '/a~1b']],
    ['a form', 'session_id=x', { 'content-type': 'application/x-www-form-urlencoded' }, 415, []],
    ['text', '{}', { 'content-type': 'text/plain' }, 415, []],
    ['a compressed body', '{}', { 'content-encoding': 'gzip' }, 415, []],
    ['more than 64 KiB', { data: { x: 'x'.repeat(65_536) } }, {}, 413, []],
  ])('refuses %s', async (_, body, headers, status, pointers) => {
    const answer = await api.send('POST', path, { ...options, body, headers });
    const problem = (await answer.json()) as { errors?: { pointer: string }[] };
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(problem).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
    expect(problem.errors?.map(({ pointer }) => pointer) ?? []).toEqual(pointers);
  });

  test('takes 64 KiB', async () => {
    const frame = JSON.stringify({ session_id: 'full', data: { x: '' } });
    const body = frame.replace('""', `"${'x'.repeat(65_536 - frame.length)}"`);
    expect((await api.send('POST', path, { ...options, body })).status).toBe(201);
  });
});

test('a body that grows beyond 64 KiB without saying so is cut off', async () => {
  const socket = connect(api.port, '127.0.0.1');
  socket.on('error', () => {}); // the other side hangs up while we still talk
  socket.write(
    'POST /session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  const chunk = 'x'.repeat(1024);
  for (let n = 0; n < 100; n++) socket.write(`400\r\n${chunk}\r\n`);
  let answer = '';
  for await (const data of socket) answer += data;
  expect(answer).toMatch(/^HTTP\/1\.1 413 .*\r\nconnection: close/is);
});

test.each<[string, string, number, string | null]>([
  ['DELETE', '/session', 405, 'POST'],
  ['GET', '/session/x', 405, 'PUT'],
  ['POST', '/stream/x', 405, 'GET, HEAD'],
  ['PATCH', '/user/ann/session', 405, 'POST'],
  ['POST', '/user/ann/sessions', 405, 'GET, HEAD'],
  ['PROPFIND', '/user/ann/sessions', 405, 'GET, HEAD'],
  ['OPTIONS', '/session', 405, 'POST'],
  ['GET', '/', 404, null],
  ['GET', '/user/ann', 404, null],
  ['POST', '/session/', 404, null],
  ['PUT', '/session/unknown', 404, null],
  ['GET', '/stream/unknown', 404, null],
  ['GET', '/stream/%E0%A4%A', 404, null],
  ['GET', '/stream/__proto__', 404, null],
])('%s %s answers %i', async (method, path, status, allow) => {
  const body = method === 'PUT' ? { body: { data: {} } } : {};
  const answer = await api.send(method, path, body);
  expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow]);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
});

test('a taken session_id is a conflict, and changes nothing', async () => {
  await api.send('POST', '/user/bob/session', { as: 'bob', body: { session_id: 'one', data: { mine: true } } });
  const again = await api.send('POST', '/user/bob/session', { as: 'bob', body: { session_id: 'one' } });
  expect(again.status).toBe(409);
  const { sessions } = (await (await api.send('GET', '/user/bob/sessions', { as: 'bob' })).json()) as {
    sessions: unknown[];
  };
  expect(sessions).toEqual([expect.objectContaining({ version: 1, data: { mine: true } })]);
});

test('an owner with too many sessions is told so', async () => {
  for (const status of [201, 201, 201, 409]) {
    expect((await api.send('POST', '/user/carl/session', { as: 'carl', body: {} })).status).toBe(status);
  }
});

test('of the public sessions the one unused longest makes way', async () => {
  for (const id of ['a', 'b', 'c']) await api.send('POST', '/session', { body: { session_id: id } });
  await api.send('PUT', '/session/a', { body: { data: {} } });
  await api.send('POST', '/session', { body: { session_id: 'd' } });
  const statusOf = async (id: string) => (await api.send('PUT', `/session/${id}`, { body: { data: {} } })).status;
  expect(await Promise.all(['a', 'b', 'c', 'd'].map(statusOf))).toEqual([200, 404, 200, 200]);
});

test('a script of any origin may ask, and reads what it needs from the answer', async () => {
  const preflight = await api.send('OPTIONS', '/user/ann/session', {
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toMatch(/Authorization, Content-Type, DPoP/);
  const refused = await api.send('GET', '/user/ann/sessions', { headers: { origin: 'https://app.example' } });
  expect(refused.headers.get('access-control-allow-origin')).toBe('*');
  expect(refused.headers.get('access-control-expose-headers')).toMatch(/WWW-Authenticate/);
  expect(refused.headers.get('access-control-allow-credentials')).toBeNull();
});

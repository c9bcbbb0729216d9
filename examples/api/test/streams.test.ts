import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { afterEach, expect, jest, test } from '@jest/globals';
import { type RunningApi, startApi } from './support/api.ts';
import { readEvents } from './support/events.ts';

let api: RunningApi;
afterEach(async () => {
  jest.restoreAllMocks();
  await api.close();
  expect(api.failures).toEqual([]);
});

test('an owner watches a session: its state now, then each change', async () => {
  api = await startApi();
  await api.send('POST', '/user/ann/session', { as: 'ann', body: { session_id: 'one', data: { n: 1 } } });
  const response = await api.send('GET', '/stream/ann/one', { as: 'ann' });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const events = readEvents(response);
  expect((await events.next()).value).toMatchObject({ id: '1', event: 'session', data: { data: { n: 1 } } });
  for (const n of [2, 3]) {
    await api.send('PUT', '/user/ann/session/one', { as: 'ann', body: { data: { n } } });
    expect((await events.next()).value).toMatchObject({ id: String(n), data: { version: n, data: { n } } });
  }
  await events.return();
});

test('anybody watches a public session', async () => {
  api = await startApi();
  await api.send('POST', '/session', { body: { session_id: 'open' } });
  const events = readEvents(await api.send('GET', '/stream/open'));
  expect((await events.next()).value).toMatchObject({ id: '1' });
  await api.send('PUT', '/session/open', { body: { data: { text: 'line\nbreak' } } });
  expect((await events.next()).value).toMatchObject({ id: '2', data: { data: { text: 'line\nbreak' } } });
  await events.return();
});

test('who comes back with the newest version hears of the next one only', async () => {
  api = await startApi();
  await api.send('POST', '/session', { body: { session_id: 'open' } });
  const events = readEvents(await api.send('GET', '/stream/open', { headers: { 'last-event-id': '1' } }));
  const next = events.next();
  await api.send('PUT', '/session/open', { body: { data: {} } });
  expect((await next).value).toMatchObject({ id: '2' });
  await events.return();
});

test('HEAD answers without opening a stream', async () => {
  api = await startApi({ streams: 0 });
  await api.send('POST', '/session', { body: { session_id: 'open' } });
  const answer = await api.send('HEAD', '/stream/open');
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
});

test('comments keep a silent stream awake, and it ends with the token', async () => {
  api = await startApi({ heartbeatSeconds: 0.01 });
  await api.send('POST', '/user/ann/session', { as: 'ann', body: { session_id: 'one' } });
  const response = await api.send('GET', '/stream/ann/one', { as: 'ann' });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  while (!text.includes(': still here\n\n')) text += new TextDecoder().decode((await reader.read()).value);
  const later = Date.now() + 3_600_000;
  jest.spyOn(Date, 'now').mockReturnValue(later);
  while (!(await reader.read()).done);
});

test('a watched public session is never evicted; when all are watched there is no room', async () => {
  api = await startApi({ publicSessions: 1 });
  await api.send('POST', '/session', { body: { session_id: 'open' } });
  const events = readEvents(await api.send('GET', '/stream/open'));
  await events.next();
  const refused = await api.send('POST', '/session', { body: {} });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '60']);
  await events.return();
});

/** `fetch` would share its connections and queue; these are a thousand sockets. */
async function openStream(agent: Agent, token: string): Promise<IncomingMessage> {
  const request = get(`${api.url}/stream/ann/one`, { agent, headers: { authorization: `Bearer ${token}` } });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response.setEncoding('utf8');
}

async function readUntil(response: IncomingMessage, text: string): Promise<void> {
  let seen = '';
  while (!seen.includes(text)) {
    const chunk = response.read() as string | null;
    if (chunk === null) await once(response, 'readable');
    else seen += chunk;
  }
}

test('a thousand watch at once, all hear of a change, and all leave without a trace', async () => {
  api = await startApi({ streams: 1000 });
  await api.send('POST', '/user/ann/session', { as: 'ann', body: { session_id: 'one' } });
  const token = await api.provider.tokenFor('ann');
  const agent = new Agent({ maxSockets: 2000 });
  const streams = await Promise.all(Array.from({ length: 1000 }, () => openStream(agent, token)));
  expect(new Set(streams.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));

  const full = await openStream(agent, token);
  expect([full.statusCode, full.headers['retry-after']]).toEqual([503, '10']);
  full.resume();

  const heard = Promise.all(streams.map((stream) => readUntil(stream, '"n":2')));
  await api.send('PUT', '/user/ann/session/one', { as: 'ann', body: { data: { n: 2 } } });
  await heard;

  for (const stream of streams) stream.destroy();
  // the places are free again as soon as the server has noticed
  for (let opened = 0; opened < 1000; ) {
    const stream = await openStream(agent, token);
    if (stream.statusCode === 200) opened++;
    else stream.resume();
  }
  agent.destroy();
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { basic, post } from '../support/flow-client.ts';
import { openTraceCollector, type ReceivedSpan, type TraceCollector } from '../support/trace-collector.ts';
import { registerMachine, startWholeService, type WholeService } from '../support/whole-service.ts';

const SERVER = 2;
const CLIENT = 3;

let collector: TraceCollector;
let whole: WholeService;
let client: { id: string; secret: string };
beforeAll(async () => {
  collector = await openTraceCollector();
  whole = await startWholeService({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=let%20me%20in',
    OTEL_SERVICE_NAME: 'front-gate',
    // Nobody else connects from here.
    TRUSTED_PROXIES: '127.0.0.2/32',
    HOST: '127.0.0.1',
  });
  client = await registerMachine(whole);
}, 240_000);
afterAll(async () => {
  await collector.close();
}, 60_000);

const attributesOf = ({ attributes }: ReceivedSpan) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

test('S-037 a request is a span and what it asks of the database is part of it; a stranger’s trace is a link and no parent', async () => {
  const theirs = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
  const answer = await post(
    `${whole.issuer}/token`,
    { grant_type: 'client_credentials' },
    { ...basic(client), traceparent: `00-${theirs.traceId}-${theirs.spanId}-01` },
  );
  expect(answer.status).toBe(200);
  expect((await fetch(`${whole.issuer}/healthz`)).status).toBe(200);
  expect((await fetch(`${whole.issuer}/wp-admin?password=hunter2`)).status).toBe(404);
  const { tracing } = whole.services;
  const work = () => tracing.span('internal', 'failing', {}, () => Promise.reject(new RangeError('secret words')));
  await expect(work()).rejects.toThrow('secret words');

  // Closing sends what is left.
  await whole.close();
  const spans = collector.spans();
  const token = spans.find(({ name }) => name === 'POST token')!;
  expect(token.kind).toBe(SERVER);
  expect(token.parentSpanId).toBeUndefined();
  expect(token.traceId).not.toBe(theirs.traceId);
  expect(token.links).toEqual([expect.objectContaining(theirs)]);
  expect(attributesOf(token)).toMatchObject({
    'http.request.method': 'POST',
    'http.route': 'token',
    'http.response.status_code': 200,
    'daemun.request_id': answer.headers.get('x-request-id'),
  });
  const parts = spans.filter(({ parentSpanId }) => parentSpanId === token.spanId);
  expect(parts.length).toBeGreaterThan(0);
  for (const part of parts) {
    expect([part.traceId, part.kind]).toEqual([token.traceId, CLIENT]);
    expect(attributesOf(part)['db.system.name']).toBe('postgresql');
  }
  expect(spans.some(({ name }) => name === 'GET other')).toBe(true);
  // Statements of background work are no traces of their own.
  expect(spans.filter(({ kind, parentSpanId }) => kind === CLIENT && !parentSpanId)).toEqual([]);
  expect(spans.some(({ name }) => name.includes('healthz'))).toBe(false);
  const failing = spans.find(({ name }) => name === 'failing')!;
  expect([failing.status.code, attributesOf(failing)['error.type']]).toEqual([2, 'RangeError']);
  expect(collector.resources()).toContain('front-gate');
  expect(collector.headers[0]).toMatchObject({ 'api-key': 'let me in' });
  const sent = collector.bodies.join('\n');
  for (const secret of [client.secret, answer.json.access_token, 'hunter2', 'secret words', 'machine', 'wp-admin']) {
    expect([secret, sent.includes(secret)]).toEqual([secret, false]);
  }
}, 60_000);

import { tracingChannel } from 'node:diagnostics_channel';
import { EventEmitter, once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseHeaders } from '../../../src/platform/tracing/export.ts';
import { nameOf, traceDatabase } from '../../../src/platform/tracing/trace-database.ts';
import { traceMethods, traceOutbound } from '../../../src/platform/tracing/trace-methods.ts';
import { traceRedis } from '../../../src/platform/tracing/trace-redis.ts';
import { traceRequests } from '../../../src/platform/tracing/trace-requests.ts';
import { parseTraceparent } from '../../../src/platform/tracing/traceparent.ts';
import { createTracing, noTracing, type Tracing } from '../../../src/platform/tracing/tracing.ts';
import { openTraceCollector, type TraceCollector } from '../../support/trace-collector.ts';

let collector: TraceCollector;
let tracing: Tracing;
beforeEach(async () => {
  collector = await openTraceCollector();
  tracing = await createTracing({ url: `${collector.url}/v1/traces`, serviceName: 'test', ratio: 1 }, {
    warn: () => {},
  } as never);
});
afterEach(() => collector.close());

const THEIRS = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

async function requestThrough(trustedProxies: string[], listener: () => Promise<void>): Promise<void> {
  const server = createServer(
    traceRequests(tracing, { nameRoute: () => 'known', isLeftOut: () => false, trustedProxies }, async (_req, res) => {
      await listener();
      res.end('served');
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sent = request({ host: '127.0.0.1', port, headers: { traceparent: THEIRS } }).end();
  const [answer] = await once(sent, 'response');
  await once(answer.resume(), 'end');
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

test('a proxy that is trusted says what a request is part of', async () => {
  await requestThrough(['127.0.0.0/8'], async () => {});
  await tracing.close();
  expect(collector.spans()).toMatchObject([
    { traceId: '0af7651916cd43dd8448eb211c80319c', parentSpanId: 'b7ad6b7169203331', links: [] },
  ]);
});

test('commands for Redis, requests to others and hashes are parts of what goes on, without what is in them', async () => {
  const stop = traceRedis(tracing);
  const channel = tracingChannel('node-redis:command');
  const outbound = traceOutbound(tracing, async () => ({ status: 204, headers: {}, body: Buffer.alloc(0) }));
  const passwords = traceMethods(
    tracing,
    { verify: async (password: string) => password === 'right' },
    { verify: 'password.verify' },
  );
  await requestThrough([], async () => {
    await channel.tracePromise(async () => {}, { command: 'get', args: ['get', 'key-of-somebody'] } as never);
    await outbound('https://example.com/path?code=a-code');
    expect(await passwords.verify('right')).toBe(true);
  });
  stop();
  await channel.tracePromise(async () => {}, { command: 'set' } as never);
  await tracing.close();
  const spans = collector.spans();
  const server = spans.find(({ kind }) => kind === 2)!;
  expect(spans.filter(({ parentSpanId }) => parentSpanId === server.spanId).map(({ name }) => name)).toEqual([
    'GET',
    'GET',
    'password.verify',
  ]);
  expect(spans).toHaveLength(4);
  expect(collector.bodies.join('')).toContain('example.com');
  for (const secret of ['key-of-somebody', 'a-code', 'right']) expect(collector.bodies.join('')).not.toContain(secret);
});

test('who waits for a connection goes on with its own span when another one gives it back', async () => {
  class FakePool extends EventEmitter {
    waiting: ((error: undefined, client: object) => void)[] = [];
    connect(callback: (error: undefined, client: object) => void) {
      this.waiting.push(callback);
    }
  }
  const pool = new FakePool();
  traceDatabase(tracing, pool as never);
  const client = {
    query: (_text: string, done: (error: Error | undefined) => void) => done(undefined),
  };
  let served: () => void = () => {};
  const answered = new Promise<void>((resolve) => {
    served = resolve;
  });
  const first = requestThrough([], async () => {
    pool.connect((_error, connected) => {
      (connected as typeof client).query('SELECT 1 FROM "users"', () => served());
    });
    await answered;
  });
  while (pool.waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await requestThrough([], async () => {
    pool.emit('acquire', client);
    pool.waiting[0]!(undefined, client);
  });
  await first;
  await tracing.close();
  const spans = collector.spans();
  const statement = spans.find(({ name }) => name === 'SELECT users')!;
  // The one that ended last waited.
  expect(statement.parentSpanId).toBe(spans.filter(({ kind }) => kind === 2).at(-1)!.spanId);
});

test('of what begins here as many traces are kept as was asked', async () => {
  await tracing.close();
  tracing = await createTracing({ url: `${collector.url}/v1/traces`, serviceName: 'test', ratio: 0 }, {
    warn: () => {},
  } as never);
  await requestThrough([], async () => {});
  await tracing.close();
  expect(collector.bodies).toEqual([]);
});

test('spans that are lost are a line in the log, and the end does not wait for a collector that hangs', async () => {
  const hanging = createServer(() => {}).listen(0, '127.0.0.1');
  await once(hanging, 'listening');
  const lines: unknown[] = [];
  const lost = await createTracing(
    { url: `http://127.0.0.1:${(hanging.address() as AddressInfo).port}`, serviceName: 'test', ratio: 1 },
    { warn: (...line: unknown[]) => void lines.push(line) } as never,
  );
  await lost.span('internal', 'work', {}, async () => {});
  const start = performance.now();
  await lost.close();
  expect(performance.now() - start).toBeLessThan(15_000);
  hanging.closeAllConnections();
  hanging.close();
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}, 60_000);

test('a collector that cannot be reached harms nothing, neither a request nor the end', async () => {
  const lines: unknown[] = [];
  await tracing.close();
  tracing = await createTracing({ url: 'http://127.0.0.1:9/v1/traces', serviceName: 'test', ratio: 1 }, {
    warn: (...line: unknown[]) => void lines.push(line),
  } as never);
  await requestThrough([], async () => {});
  const start = performance.now();
  await tracing.close();
  expect(performance.now() - start).toBeLessThan(15_000);
  // Until then it tries again.
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}, 60_000);

test('where nobody looks nothing is wrapped', () => {
  const listener = () => {};
  const target = { verify: async () => true };
  const outbound = async () => ({ status: 200, headers: {}, body: Buffer.alloc(0) });
  const options = { nameRoute: () => undefined, isLeftOut: () => false, trustedProxies: [] };
  expect(traceRequests(noTracing, options, listener)).toBe(listener);
  expect(traceMethods(noTracing, target, { verify: 'x' })).toBe(target);
  expect(traceOutbound(noTracing, outbound)).toBe(outbound);
});

describe('traceparent', () => {
  test.each([
    undefined,
    '',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331',
  ])('%p is none', (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });

  test('of flags only the first counts, and versions to come are read as far as they are known', () => {
    const header = '01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe-more';
    expect(parseTraceparent(header)).toMatchObject({ traceFlags: 0, isRemote: true });
  });
});

test.each([
  [{ name: 'artifacts.find.3.1' }, 'artifacts.find'],
  [{ name: 'audit.insert.12', text: 'INSERT INTO audit_events' }, 'audit.insert'],
  ['SELECT "public"."users"."id" FROM "public"."users" WHERE 1=1', 'SELECT users'],
  ['COMMIT', 'COMMIT'],
  [{ text: "SELECT 'a secret FROM somewhere'" }, 'SELECT'],
  [undefined, 'STATEMENT'],
])('the statement %p is called %s', (statement, name) => {
  expect(nameOf(statement)).toBe(name);
});

test('headers for the collector are pairs', () => {
  expect(parseHeaders('a=b, c=d%20e,=x,y')).toEqual({ a: 'b', c: 'd e' });
});

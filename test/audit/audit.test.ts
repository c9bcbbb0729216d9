import { Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import { eventKinds } from '../../src/audit/audit-event.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let audit: Audit;
let lines: Record<string, unknown>[];
beforeAll(async () => {
  database = await openTestDatabase();
});
beforeEach(() => {
  lines = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  audit = createAudit({ database, logger: createLogger({ level: 'info', production: true, destination }) });
});
afterAll(() => database.close());

const by = { address: '192.0.2.1', requestId: 'request-1', actor: 'cli' };

async function newest(type: string) {
  return database.prisma.auditEvent.findFirst({ where: { type }, orderBy: { id: 'desc' } });
}

describe.each(['in', 'queue'] as const)('S-175 an event written by "%s"', (door) => {
  const write = (act: (writer: Audit['queue']) => Promise<void>) =>
    door === 'queue' ? act(audit.queue) : database.prisma.$transaction((tx) => act(audit.in(tx)));

  test('is a row, a line and a count', async () => {
    const details = {
      clientId: 'client',
      userId: 'user',
      sessionId: 'session',
      kind: 'access_token',
      grantType: 'refresh_token',
    };
    await write((writer) => writer.tokenIssued(details, by));
    expect(await newest('token.issued')).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{14}7/),
      at: expect.any(Date),
      type: 'token.issued',
      userId: 'user',
      clientId: 'client',
      sessionId: 'session',
      actor: 'cli',
      address: '192.0.2.1',
      requestId: 'request-1',
      details: { kind: 'access_token', grantType: 'refresh_token' },
    });
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'info',
        msg: 'token.issued',
        userId: 'user',
        clientId: 'client',
        requestId: 'request-1',
        details: { kind: 'access_token', grantType: 'refresh_token' },
      }),
    ]);
  });

  test('may say nothing about who and where', async () => {
    await write((writer) => writer.grantRevoked({}, {}));
    expect(await newest('grant.revoked')).toMatchObject({
      userId: null,
      clientId: null,
      actor: null,
      address: null,
      details: {},
    });
  });

  test('keeps text that strangers chose, on one line and cut', async () => {
    const name = `a\0b\nc\u2028d\ud800e\x1b[31m"\\${'x'.repeat(5_000)}`;
    await write((writer) => writer.clientCreated({ clientId: `c\0`, name }, { address: 'a\0' }));
    const row = await newest('client.created');
    expect(row).toMatchObject({ clientId: 'c\ufffd', address: 'a\ufffd' });
    const kept = (row!.details as { name: string }).name;
    expect(kept).toMatch(/^a\ufffdb\ufffdc\ufffdd\ufffde\ufffd\[31m"\\x+…$/);
    expect(kept.length).toBeLessThan(1_100);
  });

  test('is loud when somebody presents a spent code or token', async () => {
    await write((writer) => writer.codeReplayed({ clientId: 'client' }, by));
    await write((writer) => writer.refreshTokenReplayed({ clientId: 'client' }, by));
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'warn']);
  });
});

test('S-175 a row in a transaction stands or falls with the change', async () => {
  const attempt = database.prisma.$transaction(async (tx) => {
    await audit.in(tx).userDisabled({ userId: 'rolled-back', sessionsEnded: 0 }, by);
    throw new Error('the change failed');
  });
  await expect(attempt).rejects.toThrow('the change failed');
  expect(await database.prisma.auditEvent.count({ where: { userId: 'rolled-back' } })).toBe(0);
});

test('a thousand events at once are all stored, in order, by a few statements', async () => {
  const query = database.pool.query.bind(database.pool);
  let statements = 0;
  const counting = new Proxy(database.pool, {
    get: (target, property) =>
      property === 'query'
        ? (...config: unknown[]) => {
            statements += 1;
            return (query as (...values: unknown[]) => unknown)(...config);
          }
        : Reflect.get(target, property),
  });
  const busy = createAudit({
    database: { pool: counting },
    logger: createLogger({ level: 'silent', production: true }),
  });
  const events = Array.from({ length: 1_000 }, (_, number) =>
    busy.queue.tokenRefused({ error: 'invalid_grant', grantType: `number ${number}` }, by),
  );
  await Promise.all(events);
  await busy.close();
  expect(statements).toBeLessThanOrEqual(4);
  const rows = await database.prisma.auditEvent.findMany({ where: { type: 'token.refused' }, orderBy: { id: 'asc' } });
  expect(rows.map(({ details }) => (details as { grantType: string }).grantType)).toEqual(
    Array.from({ length: 1_000 }, (_, number) => `number ${number}`),
  );
});

test('what was queued is stored before closing ends', async () => {
  const event = audit.queue.signInSucceeded({ userId: 'last', amr: ['pwd'] }, by);
  await audit.close();
  await event;
  expect(await database.prisma.auditEvent.count({ where: { userId: 'last' } })).toBe(1);
});

test('an event that nobody waits for and that cannot be stored is reported, not thrown at the process', async () => {
  await audit.close();
  audit.queue.tokenRefused({ error: 'invalid_client' }, by);
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toEqual([
    expect.objectContaining({ msg: 'token.refused' }),
    expect.objectContaining({
      level: 'error',
      event: 'token.refused',
      error: expect.objectContaining({ code: 'unavailable' }),
    }),
  ]);
});

test('every event has a type of its own', () => {
  const types = Object.values(eventKinds).map(({ type }) => type);
  expect(new Set(types).size).toBe(types.length);
  for (const type of types) expect(type).toMatch(/^[a-z_]+\.[a-z_]+$/);
});

test('an event is counted once its row is stored, and not at all when it is not', async () => {
  const counted: string[] = [];
  const counting = createAudit({
    database,
    logger: createLogger({ level: 'silent', production: true }),
    count: (name) => counted.push(name),
  });
  const event = counting.queue.signInSucceeded({ userId: 'counted', amr: ['pwd'] }, by);
  expect(counted).toEqual([]);
  await event;
  await database.prisma.$transaction((tx) => counting.in(tx).userEnabled({ userId: 'counted' }, by));
  expect(counted).toEqual(['signInSucceeded', 'userEnabled']);
  await counting.close();
  await expect(counting.queue.tokenRefused({ error: 'invalid_client' }, by)).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(counted).toEqual(['signInSucceeded', 'userEnabled']);
});

test('S-175 what begins once is one row, line and count, whichever node says so first; a row that failed is written by the next', async () => {
  const counted: string[] = [];
  const nodes = [1, 2].map(() => {
    const told: string[] = [];
    const logger = { warn: (_: object, type: string) => void told.push(type) } as never;
    return { told, audit: createAudit({ database, logger, count: (name) => void counted.push(name) }) };
  });
  const since = Date.parse('2026-03-04T05:06:07.089Z');
  const say = (of: string) =>
    Promise.all(
      [...nodes, ...nodes].map((node) =>
        node.audit.once(of, since).signInThrottled({ userId: of, limit: 'account', retryAfter: 60 }, by),
      ),
    );
  const rowsOf = (userId: string) => database.prisma.auditEvent.findMany({ where: { userId } });
  await database.pool.query(`ALTER TABLE audit_events ADD CONSTRAINT not_now CHECK (user_id <> 'one begin') NOT VALID`);
  await expect(say('one begin')).rejects.toMatchObject({ code: '23514' });
  await database.pool.query('ALTER TABLE audit_events DROP CONSTRAINT not_now');
  expect(counted).toEqual([]);
  await say('one begin');
  await say('one begin');
  await say('another begin');
  expect(counted).toEqual(['signInThrottled', 'signInThrottled']);
  expect(nodes.flatMap(({ told }) => told)).toEqual(['sign_in.throttled', 'sign_in.throttled']);
  const [row, ...more] = await rowsOf('one begin');
  expect(more).toEqual([]);
  expect(row).toMatchObject({ address: by.address, details: { limit: 'account', retryAfter: 60 } });
  // A UUIDv7 of the moment in which it began.
  expect(row!.id.replaceAll('-', '').slice(0, 13)).toBe(`${since.toString(16).padStart(12, '0')}7`);
  expect(await rowsOf('another begin')).toHaveLength(1);
});

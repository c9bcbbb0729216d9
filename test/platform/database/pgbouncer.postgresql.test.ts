import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { openPreparedDatabase } from '../../../src/platform/database/prepare.ts';
import { SecretText } from '../../../src/platform/secret-text.ts';
import type { Services } from '../../../src/services.ts';
import { createEmptyDatabase } from '../../support/database.ts';
import { findProgram, openBeside, populate, signInAndRefresh, until } from '../../support/deployed-service.ts';
import { freePort } from '../../support/free-port.ts';
import { type Pgbouncer, startPgbouncer } from '../../support/pgbouncer.ts';
import { killAll, type Run, start, stop } from '../service-process.ts';

jest.setTimeout(120_000);

const program = findProgram('pgbouncer');
/** On a machine that was prepared for it nothing may be left out. */
const behindPgbouncer = program || process.env.CI === 'true' ? describe : describe.skip;

behindPgbouncer('behind PgBouncer in transaction mode', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-pooled-'));
  let database: { url: string; close(): Promise<void> };
  let pgbouncer: Pgbouncer;
  let variables: Record<string, string>;

  beforeAll(async () => {
    database = (await createEmptyDatabase())!;
    pgbouncer = await startPgbouncer(program!, database.url);
    variables = {
      DATABASE_URL: pgbouncer.through(database.url),
      DATABASE_POOLER: 'transaction',
      KEYS_DIR: join(folder, 'keys'),
      DAEMUN_BCRYPT_COST: '4',
      LOG_LEVEL: 'warn',
    };
  });
  afterAll(async () => {
    killAll();
    await pgbouncer?.close();
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function startNode(more: Record<string, string> = {}): Promise<Run & { issuer: string }> {
    const port = String(await freePort());
    const issuer = `http://127.0.0.1:${port}`;
    return { ...start({ ...variables, PORT: port, ISSUER: issuer, ...more }), issuer };
  }

  test('without saying so the start is refused, and says what to set', async () => {
    const { DATABASE_POOLER: _, ...unaware } = variables;
    const { code, error } = await start({ ...unaware, PORT: String(await freePort()) }).ended;
    expect(code).toBe(1);
    expect(error).toMatch(/is a pooler that takes no settings for a session .*Set DATABASE_POOLER=transaction/);
  });

  describe('the address past the pooler', () => {
    async function open(directUrl: string): Promise<string[]> {
      const warnings: string[] = [];
      const { close } = await openPreparedDatabase({
        location: {
          kind: 'postgresql',
          url: new SecretText(pgbouncer.through(database.url)),
          pooler: { directUrl: new SecretText(directUrl) },
        },
        production: false,
        warn: (text) => warnings.push(text),
      });
      await close();
      return warnings.filter((text) => text.includes('DATABASE_DIRECT_URL'));
    }

    test('is taken when it leads to the same database', async () => {
      expect(await open(database.url)).toEqual([]);
    });

    test('is refused when it leads to another database, or to the pooler again', async () => {
      const other = Object.assign(new URL(database.url), { pathname: '/postgres' }).href;
      await expect(open(other)).rejects.toThrow(/DATABASE_DIRECT_URL .* hears nothing of the database of DATABASE_URL/);
      await expect(open(pgbouncer.through(database.url))).rejects.toThrow(/DATABASE_DIRECT_URL .* hears nothing/);
    });

    test('does not keep a node from starting when nobody answers there, since it only makes things quicker', async () => {
      const nobody = Object.assign(new URL(database.url), {
        hostname: '127.0.0.1',
        port: String(await freePort()),
      }).href;
      expect(await open(nobody)).toEqual([
        expect.stringMatching(/cannot be reached \(ECONNREFUSED\).*looks every few seconds/),
      ]);
    });
  });

  describe('a node', () => {
    let node: Run & { issuer: string };
    let beside: Services;
    let clientId: string;
    beforeAll(async () => {
      node = await startNode();
      await node.ready;
      beside = await openBeside({ ...variables, ISSUER: node.issuer, LOG_LEVEL: 'silent' });
      ({ clientId } = await populate(beside));
    });
    afterAll(() => beside?.close());

    test('starts on an empty database, and serves many sign-ins at once on three connections', async () => {
      const outcomes = await Promise.all(Array.from({ length: 6 }, () => signInAndRefresh(node.issuer, clientId)));
      for (const { tokens, refreshed } of outcomes) {
        expect(tokens.id_token).toBeDefined();
        expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
      }
    });

    test('learns of changed keys by looking, where no address leads past the pooler', async () => {
      await keysChangeAt(node.issuer);
      await signInAndRefresh(node.issuer, clientId);
    });

    test('hears of changed keys by the address past the pooler', async () => {
      const direct = await startNode({ DATABASE_DIRECT_URL: database.url, ISSUER: node.issuer });
      await direct.ready;
      const { rows } = await beside.database.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'daemun (listens)'`,
      );
      expect(rows).toHaveLength(1);
      expect(await stop(direct)).toMatchObject({ code: 0 });
    });

    test('says at its start what the role lacks, and ends with 0', async () => {
      const { code, error } = await stop(node);
      expect(code).toBe(0);
      expect(error).toMatch(/nothing bounds statement_timeout, lock_timeout, idle_in_transaction_session_timeout/);
      expect(error).toMatch(/ALTER ROLE \w+ SET statement_timeout = '2s'/);
      expect(error).toMatch(/Without DATABASE_DIRECT_URL this node learns of changed keys by looking/);
    });

    async function keysChangeAt(issuer: string): Promise<void> {
      const { keys } = await beside.keys.store.list();
      const { kid } = keys.find((key) => key.algorithm === 'ES256' && key.state === 'active')!;
      await beside.keys.store.rotate({ algorithm: 'ES256', expectedActive: kid, emergency: true }, { actor: 'test' });
      await beside.keys.store.revoke({ kid, reason: 'a test' } as never, { actor: 'test' });
      await until('the revoked key is not published any more', async () => {
        const published = await (await fetch(`${issuer}/.well-known/jwks.json`)).text();
        return !published.includes(kid);
      });
    }
  });

  test('two nodes migrate one empty database at once', async () => {
    const empty = (await createEmptyDatabase())!;
    try {
      const DATABASE_URL = pgbouncer.through(empty.url);
      const nodes = await Promise.all([startNode({ DATABASE_URL }), startNode({ DATABASE_URL })]);
      await Promise.all(nodes.map(({ ready }) => ready));
      for (const node of nodes) expect(await stop(node)).toMatchObject({ code: 0 });
    } finally {
      await empty.close();
    }
  });
});

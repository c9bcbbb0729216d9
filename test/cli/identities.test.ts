import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createAccounts } from '../../src/accounts/accounts.ts';
import { createFederation } from '../../src/accounts/federation.ts';
import { createAudit } from '../../src/audit/audit.ts';
import { endAccountAccess } from '../../src/provider/revocation.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

const LOGIN = 'ada@example.com';

let database: TestDatabase;
let cli: CommandLine;
let userId: string;
const told: string[] = [];
beforeAll(async () => {
  database = await openTestDatabase();
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  const notify = async (_tx: unknown, _account: unknown, notice: string) => void told.push(notice);
  const accounts = createAccounts({
    database,
    audit,
    passwords: {} as never,
    notify,
    endAccess: endAccountAccess,
  });
  const signUp = { policy: 'closed' as const, domains: [] };
  cli = openCommandLine({
    accounts,
    federation: createFederation({
      database,
      audit,
      signUp,
      notify,
      isConfigured: () => true,
      endAccess: endAccountAccess,
    }),
  });
  const created = await accounts.create({ email: LOGIN }, {});
  if (created.kind !== 'created') throw new Error(created.kind);
  userId = created.account.id;
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.prisma.federatedIdentity.deleteMany();
  told.length = 0;
});

const link = (provider: string, subject: string) =>
  database.prisma.federatedIdentity.create({
    data: { userId, provider, subject, email: 'ada@gmail.com', emailVerified: true, name: 'Ada\u001b[2J' },
  });

test('what a person signs in with is listed, for people and for programs', async () => {
  expect((await cli.run('users', 'identities', LOGIN)).stdout).toBe(
    `${LOGIN} signs in with nothing but what is known here.\n`,
  );
  await link('google', '1234');
  const { stdout } = await cli.run('users', 'identities', LOGIN);
  expect(stdout).toMatch(/^PROVIDER +SUBJECT +E-MAIL THERE/);
  expect(stdout).toMatch(/^google +1234 +ada@gmail\.com +Ada\uFFFD\[2J /m);
  expect(await cli.json('users', 'identities', userId)).toMatchObject({
    user: userId,
    identities: [{ provider: 'google', subject: '1234', email: { address: 'ada@gmail.com', verified: true } }],
  });
});

test('S-105 all at one provider are taken away, or one of them, and the person is told', async () => {
  await link('discord', '9');
  await link('google', '1');
  await link('google', '2');
  const run = (...more: string[]) => cli.json('users', 'unlink-identity', LOGIN, 'google', ...more);
  const left = async () => (await database.prisma.federatedIdentity.findMany()).map(({ subject }) => subject).sort();
  expect(await run('--subject', '1')).toEqual({ user: userId, provider: 'google', changed: true });
  expect(await left()).toEqual(['2', '9']);
  expect(await run()).toMatchObject({ changed: true });
  expect(await left()).toEqual(['9']);
  expect(await run()).toMatchObject({ changed: false });
  expect(told).toEqual(['identity_unlinked', 'identity_unlinked']);
  const where = { type: 'identity.unlinked' };
  expect(await database.prisma.auditEvent.findMany({ where })).toMatchObject([
    { userId, actor: 'cli' },
    { userId, actor: 'cli' },
  ]);
});

test('S-158 --end-sessions ends their sessions in the same transaction; without it they stay', async () => {
  const started = async () => {
    await database.prisma.userSession.deleteMany();
    await database.prisma.userSession.create({ data: { uid: 'session', userId, amr: ['fed'], provider: 'google' } });
    await link('discord', '9');
    await link('google', '1');
  };
  const isEnded = async () => (await database.prisma.userSession.findFirstOrThrow()).endedAt !== null;
  await started();
  const plain = await cli.run('users', 'unlink-identity', LOGIN, 'google');
  expect([plain.stdout, await isEnded()]).toEqual([`${LOGIN} cannot sign in with google any more.\n`, false]);
  await database.prisma.federatedIdentity.deleteMany();
  await started();
  const { stdout } = await cli.run('users', 'unlink-identity', LOGIN, 'google', '--end-sessions');
  expect([stdout, await isEnded()]).toEqual([
    `${LOGIN} cannot sign in with google any more. Their sessions and tokens have ended.\n`,
    true,
  ]);
  const again = await cli.json('users', 'unlink-identity', LOGIN, 'google', '--end-sessions');
  expect(again).toMatchObject({ changed: false, sessionsEnded: false });
});

test('the only way in is not taken away; the refusal says what to do first', async () => {
  await link('google', '1');
  const { exitCode, stderr } = await cli.run('users', 'unlink-identity', LOGIN, 'google');
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`daemun users invite ${LOGIN}`)]);
  expect(await database.prisma.federatedIdentity.count()).toBe(1);
});

test.each([['identities'], ['unlink-identity', 'google']])('nobody is a clear refusal: %s', async (verb, ...more) => {
  const { exitCode, stderr } = await cli.run('users', verb!, 'nobody@example.com', ...more);
  expect(exitCode).toBe(1);
  expect(stderr).toContain('Nobody has the id');
});

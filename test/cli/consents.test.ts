import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createAccounts } from '../../src/accounts/accounts.ts';
import { createConsents } from '../../src/accounts/consents.ts';
import { createAudit } from '../../src/audit/audit.ts';
import { createClients } from '../../src/clients/clients.ts';
import { endAccountAccess, endClientAccess, endConsent } from '../../src/provider/revocation.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

const LOGIN = 'ada@example.com';

let database: TestDatabase;
let cli: CommandLine;
let userId: string;
beforeAll(async () => {
  database = await openTestDatabase();
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  const accounts = createAccounts({
    database,
    audit,
    passwords: {} as never,
    notify: async () => {},
    endAccess: endAccountAccess,
  });
  cli = openCommandLine({
    accounts,
    clients: createClients({ database, audit, endClientAccess }),
    consents: createConsents({ database, audit, endConsent }),
  });
  const created = await accounts.create({ email: LOGIN }, {});
  if (created.kind !== 'created') throw new Error(created.kind);
  userId = created.account.id;
  await cli.json('clients', 'create', '--id', 'notes', '--name', 'Notes', '--redirect-uri', 'https://n.example/cb');
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.prisma.consent.deleteMany();
});

const allow = () =>
  database.prisma.consent.create({
    data: {
      userId,
      clientId: 'notes',
      scopes: ['openid', 'email'],
      claims: ['name'],
      resourceScopes: { 'https://api.example/': ['read', 'write'] },
    },
  });

test('what a person allowed is listed, for people and for programs', async () => {
  expect((await cli.run('users', 'consents', LOGIN)).stdout).toBe(`${LOGIN} allowed nothing to any application.\n`);
  await allow();
  const { stdout } = await cli.run('users', 'consents', LOGIN);
  expect(stdout).toMatch(/^CLIENT +NAME +ALLOWED/);
  expect(stdout).toMatch(/^notes +Notes +openid email name https:\/\/api\.example\/\(read write\) /m);
  const { user, consents } = await cli.json('users', 'consents', userId);
  expect(user).toBe(userId);
  expect(consents).toMatchObject([{ clientId: 'notes', clientName: 'Notes', scopes: ['openid', 'email'] }]);
});

test('S-059 it is withdrawn once, and recorded as done by the command line', async () => {
  await allow();
  const answer = { user: userId, client: 'notes' };
  expect(await cli.json('users', 'withdraw-consent', LOGIN, 'notes')).toEqual({ ...answer, changed: true });
  expect(await cli.json('users', 'withdraw-consent', LOGIN, 'notes')).toEqual({ ...answer, changed: false });
  expect((await cli.run('users', 'withdraw-consent', LOGIN, 'notes')).stdout).toBe(`notes held nothing of ${LOGIN}.\n`);
  expect(await database.prisma.consent.count()).toBe(0);
  const where = { type: 'consent.withdrawn' };
  expect(await database.prisma.auditEvent.findMany({ where })).toMatchObject([
    { userId, clientId: 'notes', actor: 'cli' },
  ]);
});

test.each([
  ['nobody', ['consents', 'nobody@example.com'], 'Nobody has the id'],
  ['nobody', ['withdraw-consent', 'nobody@example.com', 'notes'], 'Nobody has the id'],
  ['an unknown client', ['withdraw-consent', LOGIN, 'unknown'], 'There is no client unknown'],
])('%s is a clear refusal', async (_, argv, message) => {
  const { exitCode, stderr } = await cli.run('users', ...argv);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(message);
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAccounts } from '../../src/accounts/accounts.ts';
import { createOneTimeLinks, type OneTimeLinks } from '../../src/accounts/one-time-links.ts';
import { createAudit } from '../../src/audit/audit.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

const ISSUER = 'https://id.example.com';

let database: TestDatabase;
let oneTimeLinks: OneTimeLinks;
let cli: CommandLine;
const endedAccess: string[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  const pieces = {
    database,
    audit,
    // S-125 The command line neither checks nor hashes a password: it never has one.
    passwords: { check: refuse, hash: refuse } as never,
    notify: async () => {},
    async endAccess(_tx: unknown, id: string) {
      endedAccess.push(id);
      return { sessions: [] };
    },
  };
  oneTimeLinks = createOneTimeLinks(pieces);
  cli = openCommandLine({ issuer: ISSUER, accounts: createAccounts(pieces), oneTimeLinks });
});
afterAll(() => database.close());

function refuse(): never {
  throw new Error('a password reached the command line');
}

let count = 0;

async function createUser(...more: string[]) {
  count += 1;
  return cli.json('users', 'create', '--email', `person${count}@example.com`, ...more);
}

test('S-126 a setup link is printed by command, and recorded as that, while there is no administrator', async () => {
  const { link, expiresAt, ...rest } = await cli.json('users', 'setup-link');
  expect(rest).toEqual({});
  expect(link).toMatch(/^https:\/\/id\.example\.com\/setup\/[\w-]{22,}$/);
  expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
  expect(await oneTimeLinks.find(link.split('/').at(-1))).toEqual({ purpose: 'setup' });
  const { stdout } = await cli.run('users', 'setup-link');
  expect(stdout).toMatch(
    /^ +Link +https:\/\/id\.example\.com\/setup\/\S+\n +Valid until +\S+\n\nWhoever opens it first/,
  );
  const rows = await database.prisma.auditEvent.findMany({ where: { type: 'setup_link.created' } });
  expect(rows.map(({ actor }) => actor)).toEqual(['cli', 'cli']);
  const { user } = await createUser('--admin');
  expect(await cli.run('users', 'setup-link')).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: 'There is an administrator. They make others, and so does `daemun users create --admin`.\n',
  });
  await database.prisma.user.delete({ where: { id: user.id } });
});

test('S-125 a new person gets a one-time link to choose a password, and no password', async () => {
  const { user, link, expiresAt, ...rest } = await createUser('--user-name', 'ada', '--name', 'Ada Lovelace');
  expect(rest).toEqual({});
  expect(user).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-/),
    userName: 'ada',
    email: `person${count}@example.com`,
    emailVerified: false,
    name: 'Ada Lovelace',
    isAdministrator: false,
    state: 'active',
  });
  expect(link).toMatch(/^https:\/\/id\.example\.com\/set-password\/[\w-]{22,}$/);
  expect(Date.parse(expiresAt)).not.toBeNaN();
  const found = await oneTimeLinks.find(link.split('/').at(-1));
  expect(found).toMatchObject({ purpose: 'set_password', account: { id: user.id } });
  expect(await database.prisma.passwordCredential.count()).toBe(0);
});

test('S-125 there is no way to type a password', async () => {
  const { exitCode, stdout } = await cli.run('users', 'create', '--email', 'p@example.com', '--password', 'secret');
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect((await cli.run('users', 'create', '--help')).stdout).not.toContain('--password');
});

test('the link is in no table', async () => {
  const { link } = await createUser();
  const token = link.split('/').at(-1);
  const { rows } = await database.pool.query(
    `SELECT (SELECT string_agg(l::text, ' ') FROM one_time_links l) || (SELECT string_agg(a::text, ' ') FROM audit_events a) AS text`,
  );
  expect(rows[0].text).not.toContain(token);
});

test('for people it prints the link and whom to give it to', async () => {
  const { exitCode, stdout } = await cli.run('users', 'create', '--user-name', 'grace');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/Link\s+https:\/\/id\.example\.com\/set-password\//);
  expect(stdout).toContain('Hand the link to them and nobody else');
});

test('an administrator is created by saying so, and the audit log says who did it', async () => {
  const { user } = await createUser('--admin');
  expect(user.isAdministrator).toBe(true);
  const events = await database.prisma.auditEvent.findMany({ where: { userId: user.id } });
  expect(events.map(({ type }) => type).sort()).toEqual([
    'administrator.created',
    'invitation.created',
    'user.created',
  ]);
  expect(new Set(events.map(({ actor }) => actor))).toEqual(new Set(['cli']));
});

test('a new link voids the one before', async () => {
  const first = await createUser();
  const second = await cli.json('users', 'invite', first.user.email);
  expect(second.user.id).toBe(first.user.id);
  expect(await oneTimeLinks.find(first.link.split('/').at(-1))).toBeUndefined();
  expect(await oneTimeLinks.find(second.link.split('/').at(-1))).toBeDefined();
});

test('S-158 a person is disabled and enabled by id, address or user name', async () => {
  const { user } = await createUser('--user-name', 'linus');
  expect(await cli.json('users', 'disable', user.id)).toEqual({ id: user.id, state: 'disabled', changed: true });
  expect(endedAccess).toContain(user.id);
  expect(await cli.json('users', 'disable', 'LINUS')).toEqual({ id: user.id, state: 'disabled', changed: false });
  expect(await cli.json('users', 'enable', user.email)).toEqual({ id: user.id, state: 'active', changed: true });
  expect((await cli.run('users', 'enable', 'linus')).stdout).toBe('linus was enabled already.\n');
});

test('people are listed page by page', async () => {
  await createUser();
  const total = await database.prisma.user.count();
  const seen: string[] = [];
  let next: string | undefined;
  do {
    const page = await cli.json('users', 'list', '--limit', '2', ...(next ? ['--after', next] : []));
    seen.push(...page.users.map(({ id }: { id: string }) => id));
    next = page.next;
  } while (next);
  expect(new Set(seen).size).toBe(total);
  const { stdout } = await cli.run('users', 'list', '--limit', '1');
  expect(stdout).toContain('More: daemun users list --after ');
});

describe('a refusal ends with 1, says what to do, and prints nothing on standard output:', () => {
  test.each<[string, string[], string]>([
    ['nothing to sign in with', ['create', '--name', 'Nobody'], 'Give --email, --user-name or both'],
    ['an address that is none', ['create', '--email', 'nobody'], 'email'],
    ['an address that is taken', ['create', '--email', 'taken@example.com'], 'the address taken@example.com'],
    ['a user name that is taken, in capitals', ['create', '--user-name', 'TAKEN'], 'the user name TAKEN'],
    ['an unknown person to disable', ['disable', 'nobody@example.com'], 'Nobody has the id'],
    ['an unknown id to enable', ['enable', '01890a5d-ac96-774b-bcce-b302099a8057'], 'Nobody has the id'],
    ['an unknown person to invite', ['invite', 'nobody'], 'Nobody has the id'],
    ['a disabled person to invite', ['invite', 'blocked'], 'users enable'],
    ['a page after nobody', ['list', '--after', 'nobody'], 'not the id'],
  ])('%s', async (_, argv, message) => {
    await cli.run('users', 'create', '--email', 'taken@example.com', '--user-name', 'taken');
    await cli.run('users', 'create', '--user-name', 'blocked');
    await cli.run('users', 'disable', 'blocked');
    const { exitCode, stdout, stderr } = await cli.run('users', ...argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

test('the last administrator cannot be disabled', async () => {
  const { users } = await cli.json('users', 'list', '--limit', '1000');
  const administrators = users.filter(({ isAdministrator }: { isAdministrator: boolean }) => isAdministrator);
  const outcomes = [];
  for (const { id } of administrators) outcomes.push((await cli.run('users', 'disable', id)).stderr);
  expect(outcomes.at(-1)).toContain('is the last administrator');
});

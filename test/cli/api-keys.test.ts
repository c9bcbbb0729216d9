import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createPerson } from '../accounts/node.ts';
import { ISSUER, type KeyNode, NOTES, OWN_API, registerNotes, startKeyNode } from '../api-keys/key-nodes.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

const DAY = 86_400_000;

let database: TestDatabase;
let node: KeyNode;
let cli: CommandLine;
let user: string;

beforeAll(async () => {
  database = await openTestDatabase();
  node = startKeyNode(database, { perOwner: 3, maxAge: 0 });
  await registerNotes(node);
  cli = openCommandLine({ ...node, issuer: ISSUER });
});
beforeEach(async () => {
  user = (await createPerson(node)).id;
});
afterAll(async () => {
  await node.close();
  await database.close();
});

const READ = ['--scope', `${NOTES} read`];
const create = (...more: string[]) =>
  cli.json('api-keys', 'create', '--user', user, '--name', 'Backup', ...READ, ...more);
const check = async (value: string, address?: string) =>
  (await node.apiKeyCheck.check(value, { resource: NOTES, ...(address && { address }) })).kind;

test('a key is made for a person, works, and its value is never printed again', async () => {
  const { value, ...key } = await create(
    '--description',
    'Every night',
    '--address',
    '192.0.2.0/24',
    '--address',
    '2001:db8::1',
  );
  expect(key).toMatchObject({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    owner: { kind: 'user', id: user },
    name: 'Backup',
    description: 'Every night',
    access: { [NOTES]: ['read'] },
    allowedAddresses: ['192.0.2.0/24', '2001:db8::1/128'],
    status: 'active',
    createdBy: 'cli',
    hint: value.slice(-4),
  });
  expect(Math.abs(Date.parse(key.expiresAt) - Date.now() - 90 * DAY)).toBeLessThan(DAY / 24);
  expect([await check(value, '192.0.2.9'), await check(value, '198.51.100.1')]).toEqual(['valid', 'refused']);
  const later = [
    await cli.run('api-keys', 'show', key.id),
    await cli.run('api-keys', 'show', key.id, '--json'),
    await cli.run('api-keys', 'list', '--json'),
    await cli.run('api-keys', 'change', key.id, '--name', 'Backup 2', '--json'),
    await cli.run('api-keys', 'revoke', key.id, '--json'),
  ];
  for (const { exitCode, stdout } of later) {
    expect(exitCode).toBe(0);
    expect(stdout).not.toContain(value);
    expect(stdout).not.toContain('digest');
  }
  expect(later[0]!.stdout).toContain(`sk-…${value.slice(-4)}`);
});

test('for people it prints the key and what to do with it; with --quiet the value alone', async () => {
  const shown = await cli.run('api-keys', 'create', '--user', user, '--name', 'Backup', ...READ);
  expect(shown).toMatchObject({ exitCode: 0, stderr: '' });
  expect(shown.stdout).toMatch(/API key\s+sk-[0-9A-Za-z]{36}\n/);
  expect(shown.stdout).toContain(`Scopes   ${NOTES}: read\n`);
  expect(shown.stdout).toContain('not shown again');
  const quiet = await cli.run('api-keys', 'create', '--user', user, '--name', 'Backup', ...READ, '--quiet');
  expect(quiet).toMatchObject({ exitCode: 0, stderr: '' });
  expect(quiet.stdout).toMatch(/^sk-[0-9A-Za-z]{36}\n$/);
  expect(await check(quiet.stdout.trim())).toBe('valid');
});

test('every kind of end can be chosen, also none', async () => {
  const inDays = await create('--expires-in', '7d');
  expect(Math.abs(Date.parse(inDays.expiresAt) - Date.now() - 7 * DAY)).toBeLessThan(DAY / 24);
  const at = new Date(Date.now() + 1000 * DAY).toISOString();
  expect((await create('--expires-at', at)).expiresAt).toBe(at);
  expect(await create('--never-expires')).not.toHaveProperty('expiresAt');
});

test('the installation has keys of its own, listed apart', async () => {
  const system = await cli.json(
    ...['api-keys', 'create', '--system', '--name', 'Monitoring', '--scope', `${OWN_API} users:read`, ...READ],
  );
  expect(system).toMatchObject({ owner: { kind: 'system' }, access: { [OWN_API]: ['users:read'], [NOTES]: ['read'] } });
  const mine = await create();
  const ids = async (...options: string[]) =>
    (await cli.json('api-keys', 'list', ...options)).apiKeys.map(({ id }: { id: string }) => id);
  expect(await ids('--system')).toEqual([system.id]);
  expect(await ids('--user', user)).toEqual([mine.id]);
  expect(await ids()).toEqual(expect.arrayContaining([system.id, mine.id]));
});

test('a service account has the keys that its rights allow', async () => {
  const account = await cli.json('service-accounts', 'create', '--name', 'Nightly report', ...READ);
  expect(account).toMatchObject({
    name: 'Nightly report',
    state: 'active',
    access: { [NOTES]: ['read'] },
    createdBy: 'cli',
  });
  const make = ['api-keys', 'create', '--service-account', account.id, '--name', 'CI'];
  const key = await cli.json(...make, ...READ);
  expect(key.owner).toEqual({ kind: 'service_account', id: account.id });
  expect(await check(key.value)).toBe('valid');
  const beyond = await cli.run(...make, '--scope', `${NOTES} write`);
  expect(beyond).toMatchObject({ exitCode: 1, stdout: '' });
  expect(beyond.stderr).toContain(`access.${NOTES} has the scope write`);
  const changed = await cli.json(
    ...[
      'service-accounts',
      'change',
      account.id,
      '--name',
      'Reports',
      '--description',
      'By night',
      '--scope',
      `${NOTES} read write`,
    ],
  );
  expect(changed).toMatchObject({ name: 'Reports', description: 'By night', access: { [NOTES]: ['read', 'write'] } });
  expect((await cli.run(...make, '--scope', `${NOTES} write`)).exitCode).toBe(0);
  const table = (await cli.run('service-accounts', 'list')).stdout;
  expect(table).toContain(`${account.id}  Reports`);
  expect((await cli.run('service-accounts', 'show', account.id)).stdout).toContain(`${NOTES}: read write`);
});

test('S-047 a service account that is disabled or deleted takes its keys with it', async () => {
  const { id } = await cli.json('service-accounts', 'create', '--name', 'Report', ...READ);
  const { value } = await cli.json('api-keys', 'create', '--service-account', id, '--name', 'CI', ...READ);
  expect(await cli.json('service-accounts', 'disable', id)).toEqual({ id, state: 'disabled', changed: true });
  expect(await cli.json('service-accounts', 'disable', id)).toEqual({ id, state: 'disabled', changed: false });
  expect(await check(value)).toBe('refused');
  const refused = await cli.run('api-keys', 'create', '--service-account', id, '--name', 'CI', ...READ);
  expect(refused.stderr).toContain('is disabled, and a key would do nothing');
  expect((await cli.run('service-accounts', 'enable', id)).stdout).toBe(`${id} is enabled.\n`);
  expect(await check(value)).toBe('valid');
  expect(await cli.json('service-accounts', 'change', id, '--no-scopes')).toMatchObject({ access: {} });
  expect(await check(value)).toBe('refused');
  expect((await cli.run('service-accounts', 'delete', id)).stdout).toContain('its keys are revoked');
  expect((await cli.run('service-accounts', 'show', id)).exitCode).toBe(1);
  const [key] = (await cli.json('api-keys', 'list')).apiKeys.filter(
    ({ owner }: { owner: { id?: string } }) => owner.id === id,
  );
  expect(key).toMatchObject({ status: 'revoked', revokedBy: 'cli' });
});

test('a change replaces what is named and keeps the rest', async () => {
  const { id, value, ...key } = await create('--description', 'Every night', '--address', '192.0.2.0/24');
  const narrowed = await cli.json('api-keys', 'change', id, '--name', 'Backup 2', '--scope', `${NOTES} read write`);
  expect(narrowed).toMatchObject({ ...key, name: 'Backup 2', access: { [NOTES]: ['read', 'write'] } });
  const opened = await cli.json('api-keys', 'change', id, '--any-address', '--description', '', '--never-expires');
  expect(opened).toMatchObject({ name: 'Backup 2', allowedAddresses: [] });
  expect(opened).not.toHaveProperty('description');
  expect(opened).not.toHaveProperty('expiresAt');
  expect(await check(value, '198.51.100.1')).toBe('valid');
});

test('S-045 a rotated key overlaps as long as was asked for', async () => {
  const first = await create();
  const second = await cli.json('api-keys', 'rotate', first.id, '--overlap', '1h');
  expect(second).toMatchObject({
    replaces: first.id,
    access: first.access,
    replaced: { id: first.id, rotatedTo: second.id },
  });
  expect(Math.abs(Date.parse(second.replaced.expiresAt) - Date.now() - 3_600_000)).toBeLessThan(600_000);
  expect([await check(first.value), await check(second.value)]).toEqual(['valid', 'valid']);
  const again = await cli.run('api-keys', 'rotate', first.id);
  expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining(`has a successor already: ${second.id}`)]);
  const quiet = await cli.run('api-keys', 'rotate', second.id, '--overlap', '0', '--quiet');
  expect(quiet.stdout).toMatch(/^sk-[0-9A-Za-z]{36}\n$/);
  expect([await check(second.value), await check(quiet.stdout.trim())]).toEqual(['refused', 'valid']);
});

test('revoking says what happened, once and again, and keeps the reason', async () => {
  const { id, value } = await create();
  expect(await cli.json('api-keys', 'revoke', id, '--reason', 'laptop lost')).toEqual({
    id,
    status: 'revoked',
    changed: true,
  });
  expect(await check(value)).toBe('refused');
  expect((await cli.run('api-keys', 'revoke', id)).stdout).toBe(`${id} was revoked already.\n`);
  expect(await cli.json('api-keys', 'show', id)).toMatchObject({
    status: 'revoked',
    revokedBy: 'cli',
    revocationReason: 'laptop lost',
  });
  for (const command of [
    ['change', id, '--name', 'X'],
    ['rotate', id],
  ]) {
    const { exitCode, stderr } = await cli.run('api-keys', ...command);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('has expired or was revoked')]);
  }
});

test('lists are paged, newest first, and say how to go on', async () => {
  const [first, second] = [await create(), await create()];
  const page = await cli.json('api-keys', 'list', '--limit', '1');
  expect(page.apiKeys).toMatchObject([{ id: second.id }]);
  expect((await cli.run('api-keys', 'list', '--limit', '1')).stdout).toContain(
    `More: daemun api-keys list --after ${page.next}`,
  );
  expect((await cli.json('api-keys', 'list', '--limit', '1', '--after', page.next)).apiKeys).toMatchObject([
    { id: first.id },
  ]);
});

test('at the limit no more are made, and it says what to do', async () => {
  for (let made = 0; made < 3; made++) await create();
  const { exitCode, stdout, stderr } = await cli.run('api-keys', 'create', '--user', user, '--name', 'X', ...READ);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toContain('has 3 active keys, which is the limit');
  expect(stderr).toContain('DAEMUN_API_KEYS_PER_OWNER');
});

describe('a refusal ends with 1, says what is wrong, and prints nothing on standard output:', () => {
  const NOBODY = '0192f0a0-5b6c-7d3e-8f10-aabbccddeeff';
  test.each<[string, string[], string]>([
    ['nobody to own it', ['api-keys', 'create', '--name', 'X', ...READ], '--user, --service-account or --system'],
    ['an unknown person', ['api-keys', 'create', '--user', 'nobody', '--name', 'X', ...READ], 'Nobody has the id'],
    [
      'an unknown service account',
      ['api-keys', 'create', '--service-account', NOBODY, '--name', 'X', ...READ],
      'There is no service account',
    ],
    [
      'an unknown resource server',
      ['api-keys', 'create', '--system', '--name', 'X', '--scope', 'https://no.example read'],
      'access.https://no.example is not a resource server',
    ],
    [
      'an unknown scope',
      ['api-keys', 'create', '--system', '--name', 'X', '--scope', `${NOTES} fly`],
      'has the scope fly',
    ],
    ['no name', ['api-keys', 'create', '--system', '--name', ' ', ...READ], 'name must not be empty'],
    [
      'no address',
      ['api-keys', 'create', '--system', '--name', 'X', ...READ, '--address', 'office'],
      'allowedAddresses.0 must be',
    ],
    [
      'no time',
      ['api-keys', 'create', '--system', '--name', 'X', ...READ, '--expires-at', 'soon'],
      'expiresAt must be a time',
    ],
    [
      'a past',
      ['api-keys', 'create', '--system', '--name', 'X', ...READ, '--expires-in', '0'],
      'expiresAt must be in the future',
    ],
    ['an unknown key to show', ['api-keys', 'show', NOBODY], 'There is no API key'],
    ['no id to show', ['api-keys', 'show', 'x'], 'There is no API key'],
    ['an unknown key to change', ['api-keys', 'change', NOBODY, '--name', 'X'], 'There is no API key'],
    ['an unknown key to rotate', ['api-keys', 'rotate', NOBODY], 'There is no API key'],
    ['an overlap of a year', ['api-keys', 'rotate', NOBODY, '--overlap', '365d'], 'overlapSeconds must be from 0'],
    ['an unknown key to revoke', ['api-keys', 'revoke', NOBODY], 'There is no API key'],
    ['a change of nothing', ['api-keys', 'change', NOBODY], 'says nothing to change'],
    ['two ways of addresses', ['api-keys', 'change', NOBODY, '--any-address', '--address', '::1'], 'not both'],
    [
      'an unknown account to change',
      ['service-accounts', 'change', NOBODY, '--name', 'X'],
      'There is no service account',
    ],
    ['an account changed in nothing', ['service-accounts', 'change', NOBODY], 'says nothing to change'],
    ['scopes and none', ['service-accounts', 'change', NOBODY, '--no-scopes', ...READ], 'not both'],
    ['an unknown account to disable', ['service-accounts', 'disable', NOBODY], 'There is no service account'],
    ['an unknown account to delete', ['service-accounts', 'delete', 'x'], 'There is no service account'],
    [
      'an unknown scope of an account',
      ['service-accounts', 'create', '--name', 'X', '--scope', `${NOTES} fly`],
      'has the scope fly',
    ],
  ])('%s', async (_, argv, message) => {
    const plain = await cli.run(...argv);
    expect(plain).toMatchObject({ exitCode: 1, stdout: '' });
    expect(plain.stderr).toContain(message);
    const { error } = JSON.parse((await cli.run(...argv, '--json')).stderr);
    expect(error.message).toEqual(expect.any(String));
  });
});

describe('wrong usage ends with 2:', () => {
  test.each<[string, string[]]>([
    ['two owners', ['api-keys', 'create', '--system', '--user', 'ada', '--name', 'X', ...READ]],
    ['two ends', ['api-keys', 'create', '--system', '--name', 'X', ...READ, '--never-expires', '--expires-in', '1d']],
    ['an end that is no duration', ['api-keys', 'create', '--system', '--name', 'X', ...READ, '--expires-in', 'soon']],
    ['no scope', ['api-keys', 'create', '--system', '--name', 'X']],
    ['an empty scope', ['api-keys', 'create', '--system', '--name', 'X', '--scope', ' ']],
    ['no name', ['api-keys', 'create', '--system', ...READ]],
    ['an unknown command', ['api-keys', 'frobnicate']],
    ['a group without a command', ['service-accounts']],
    ['a limit of nothing', ['api-keys', 'list', '--limit', '0']],
  ])('%s', async (_, argv) => {
    const { exitCode, stdout, stderr } = await cli.run(...argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });
});

test.each([
  ['api-keys', 'create'],
  ['api-keys', 'change'],
  ['api-keys', 'rotate'],
])('the help of %s %s has examples', async (...command) => {
  const { exitCode, stdout } = await cli.run(...command, '--help');
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`daemun ${command.join(' ')}`);
  expect(stdout).toContain('Examples:');
});

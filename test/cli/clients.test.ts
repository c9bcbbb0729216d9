import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CLIENT_METADATA_MEMBERS } from '../../src/clients/client-metadata.ts';
import { matchesClientSecret } from '../../src/clients/client-secret.ts';
import { actAs } from '../../src/platform/database/as-subject.ts';
import { openClients } from '../clients/client-fixtures.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

let database: TestDatabase;
let pieces: ReturnType<typeof openClients>;
let cli: CommandLine;

beforeAll(async () => {
  database = await openTestDatabase();
  pieces = openClients(database);
  cli = openCommandLine(pieces);
  await cli.json(
    'resources',
    'create',
    '--identifier',
    'https://api.example.com',
    '--name',
    'API',
    '--scope',
    'read=Read',
  );
});
afterAll(() => database.close());

const CREATE = ['clients', 'create', '--name', 'Notes', '--redirect-uri', 'https://notes.example.com/cb'];

test('a client is registered, and its secret is shown once', async () => {
  const created = await cli.json(...CREATE);
  expect(created).toMatchObject({
    id: expect.stringMatching(/^[a-z0-9]{20}$/),
    name: 'Notes',
    state: 'active',
    metadata: {
      redirect_uris: ['https://notes.example.com/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  });
  const { secretDigests } = (await pieces.clients.find(created.id))!;
  expect(matchesClientSecret(created.secret, secretDigests)).toBe(true);
  const later = [await cli.run('clients', 'show', created.id), await cli.run('clients', 'list', '--json')];
  for (const { stdout } of later) expect(stdout).not.toContain(created.secret);
  expect(later[0]?.stdout).toContain(`…${created.secret.slice(-4)}`);
});

test('for people it prints the id, the secret and what to do with it', async () => {
  const { exitCode, stdout, stderr } = await cli.run(...CREATE);
  expect(exitCode).toBe(0);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/Client ID\s+[a-z0-9]{20}\n/);
  expect(stdout).toMatch(/Client secret\s+dmn_cs_\w{49}\n/);
  expect(stdout).toContain('not shown again');
});

test('every option reaches the client', async () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  cli.files['keys.json'] = JSON.stringify({ keys: [key] });
  cli.files['more.json'] = JSON.stringify({ require_auth_time: true, tos_uri: 'https://overridden.example.com' });
  const { secret, ...created } = await cli.json(
    ...[
      ...CREATE,
      '--id',
      'all-options',
      '--redirect-uri',
      'https://notes.example.org/cb',
      '--first-party',
      '--no-pkce',
    ],
    ...['--post-logout-redirect-uri', 'https://notes.example.com/', '--grant-type', 'authorization_code'],
    ...['--grant-type', 'client_credentials', '--auth-method', 'private_key_jwt', '--jwks', 'keys.json'],
    ...['--type', 'web', '--scope', 'openid read', '--resource', 'https://api.example.com'],
    ...['--client-uri', 'https://notes.example.com', '--logo-uri', 'https://notes.example.com/logo.png'],
    ...['--policy-uri', 'https://notes.example.com/p', '--tos-uri', 'https://notes.example.com/t'],
    ...['--contact', 'ops@example.com', '--id-token-alg', 'ES256', '--access-token-lifetime', '5m'],
    ...['--id-token-lifetime', '10m', '--refresh-token-lifetime', '12h'],
    ...['--metadata', 'more.json'],
  );
  expect(secret).toBeUndefined();
  expect(created).toMatchObject({
    id: 'all-options',
    isFirstParty: true,
    requirePkce: false,
    resources: ['https://api.example.com'],
    metadata: {
      redirect_uris: ['https://notes.example.com/cb', 'https://notes.example.org/cb'],
      post_logout_redirect_uris: ['https://notes.example.com/'],
      grant_types: ['authorization_code', 'client_credentials'],
      response_types: ['code'],
      token_endpoint_auth_method: 'private_key_jwt',
      application_type: 'web',
      jwks: { keys: [key] },
      scope: 'openid read',
      client_uri: 'https://notes.example.com',
      logo_uri: 'https://notes.example.com/logo.png',
      policy_uri: 'https://notes.example.com/p',
      tos_uri: 'https://notes.example.com/t',
      contacts: ['ops@example.com'],
      id_token_signed_response_alg: 'ES256',
      access_token_lifetime: 300,
      id_token_lifetime: 600,
      refresh_token_lifetime: 43_200,
      require_auth_time: true,
    },
  });
});

test('a public client has no secret', async () => {
  const created = await cli.json(
    'clients',
    'create',
    '--name',
    'Phone',
    '--public',
    '--redirect-uri',
    'com.example.notes:/cb',
  );
  expect(created).not.toHaveProperty('secret');
  expect(created.metadata).toMatchObject({ token_endpoint_auth_method: 'none', application_type: 'native' });
});

test('a machine is given a service account, which is shown, kept, and taken away again', async () => {
  const account = await makeServiceAccount();
  const machine = ['clients', 'create', '--name', 'Robot', '--grant-type', 'client_credentials'];
  const { id, serviceAccountId } = await cli.json(...machine, '--service-account', account);
  expect(serviceAccountId).toBe(account);
  expect((await cli.run('clients', 'show', id)).stdout).toMatch(new RegExp(`Service account +${account}`));
  expect((await cli.json('clients', 'update', id, '--name', 'Android')).serviceAccountId).toBe(account);
  expect(await cli.json('clients', 'update', id, '--unset', 'service_account')).not.toHaveProperty('serviceAccountId');
  const unknown = await cli.run(...machine, '--service-account', '0190a1b2-0000-8000-8000-000000000000');
  expect([unknown.exitCode, unknown.stderr]).toEqual([1, expect.stringContaining('is no service account')]);
});

/** By an administrator, without the folder that makes them. */
async function makeServiceAccount(): Promise<string> {
  return database.prisma.$transaction(async (tx) => {
    await actAs(tx, { role: 'administrator' });
    const data = { id: '0190a1b2-c3d4-8000-8000-000000000001', name: 'Robot' };
    return (await tx.serviceAccount.create({ data })).id;
  });
}

test('an update changes what is named and shows no secret', async () => {
  const { id, secret } = await cli.json(...CREATE, '--logo-uri', 'https://notes.example.com/logo.png', '--first-party');
  const updated = await cli.json(
    ...['clients', 'update', id, '--name', 'Better Notes', '--unset', 'logo_uri', '--no-first-party', '--no-pkce'],
    ...['--resource', 'https://api.example.com'],
  );
  expect(updated).toMatchObject({
    name: 'Better Notes',
    isFirstParty: false,
    requirePkce: false,
    resources: ['https://api.example.com'],
    version: 2,
  });
  expect(updated.metadata).not.toHaveProperty('logo_uri');
  expect(updated.metadata.redirect_uris).toEqual(['https://notes.example.com/cb']);
  expect(JSON.stringify(updated)).not.toContain(secret);
  expect((await cli.json('clients', 'update', id, '--unset', 'resources', '--pkce')).resources).toEqual([]);
});

test('an update that is refused or says nothing leaves the version as it was', async () => {
  const { id } = await cli.json(...CREATE);
  for (const options of [[], ['--unset', 'everything'], ['--json']]) {
    expect((await cli.run('clients', 'update', id, ...options)).exitCode).toBe(1);
  }
  expect((await cli.json('clients', 'show', id)).version).toBe(1);
  for (const member of CLIENT_METADATA_MEMBERS) {
    const { stderr } = await cli.run('clients', 'update', id, '--unset', member);
    expect(stderr).not.toContain('cannot be unset');
  }
});

test.each([
  ['soon', 'It must be a duration such as 90s, 15m, 24h or 30d.'],
  ['-5m', 'It must be a duration such as 90s, 15m, 24h or 30d.'],
])('a lifetime of %s is no duration', async (lifetime, message) => {
  const { exitCode, stderr } = await cli.run(...CREATE, `--access-token-lifetime=${lifetime}`);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test.each([
  ['--access-token-lifetime', '5000d', 'access_token_lifetime must be between 1m and 24h'],
  ['--access-token-lifetime', '2d', 'access_token_lifetime must be between 1m and 24h'],
  ['--id-token-lifetime', '5s', 'id_token_lifetime must be between 1m and 24h'],
  ['--refresh-token-lifetime', '5s', 'refresh_token_lifetime must be between 1m and 365d'],
])('%s %s is told the range in the units it is given in', async (option, lifetime, message) => {
  const { exitCode, stderr } = await cli.run(...CREATE, option, lifetime);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(message)]);
});

test('S-045 a rotated secret overlaps as long as was asked for', async () => {
  const first = await cli.json(...CREATE);
  const second = await cli.json('clients', 'rotate-secret', first.id);
  const works = async (secret: string) =>
    matchesClientSecret(secret, (await pieces.clients.find(first.id))!.secretDigests);
  expect([await works(first.secret), await works(second.secret)]).toEqual([true, true]);
  const [newest, before] = second.secrets;
  expect(newest).not.toHaveProperty('expiresAt');
  expect(Math.round((Date.parse(before.expiresAt) - Date.parse(newest.createdAt)) / 3_600_000)).toBe(24);
  const third = await cli.json('clients', 'rotate-secret', first.id, '--overlap', '0');
  expect([await works(first.secret), await works(second.secret), await works(third.secret)]).toEqual([
    false,
    false,
    true,
  ]);
});

test('S-047 disabling and enabling says what happened', async () => {
  const { id } = await cli.json(...CREATE);
  expect(await cli.json('clients', 'disable', id)).toEqual({ id, state: 'disabled', changed: true });
  expect(pieces.ended).toContain(id);
  expect(await cli.json('clients', 'disable', id)).toEqual({ id, state: 'disabled', changed: false });
  expect((await cli.run('clients', 'enable', id)).stdout).toBe(`${id} is enabled.\n`);
  expect((await cli.run('clients', 'enable', id)).stdout).toBe(`${id} was enabled already.\n`);
});

test('lists are paged, and say how to go on', async () => {
  await cli.json(...CREATE);
  const page = await cli.json('clients', 'list', '--limit', '1');
  expect(page.clients).toHaveLength(1);
  const { stdout } = await cli.run('clients', 'list', '--limit', '1');
  expect(stdout).toContain(`More: daemun clients list --after ${page.next}`);
  const rest = await cli.json('clients', 'list', '--after', page.next);
  expect(rest.clients.map(({ id }: { id: string }) => id)).not.toContain(page.next);
});

describe('a refusal ends with 1, says what is wrong, and prints nothing on standard output:', () => {
  test.each<[string, string[], string]>([
    [
      'a bad redirect URI',
      ['clients', 'create', '--name', 'X', '--redirect-uri', 'http://x.example/cb'],
      'redirect_uris.0 must be https',
    ],
    ['no redirect URI', ['clients', 'create', '--name', 'X'], 'redirect_uris needs at least one address'],
    [
      'an unknown resource server',
      [...CREATE, '--resource', 'https://no.example'],
      'resources names https://no.example',
    ],
    ['a chosen id like a person', [...CREATE, '--id', '0192f0a0-5b6c-7d3e-8f10-aabbccddeeff'], 'id must not look like'],
    ['an unknown client to show', ['clients', 'show', 'nobody'], 'There is no client nobody'],
    ['an unknown client to update', ['clients', 'update', 'nobody', '--name', 'X'], 'There is no client nobody'],
    ['an unknown client to rotate', ['clients', 'rotate-secret', 'nobody'], 'There is no client nobody'],
    ['an unknown client to disable', ['clients', 'disable', 'nobody'], 'There is no client nobody'],
    [
      'an unknown member to remove',
      ['clients', 'update', 'all-options', '--unset', 'logo', '--unset', 'tos_uri'],
      'cannot be unset: logo. What can be: resources, service_account, redirect_uris,',
    ],
    ['an update of nothing', ['clients', 'update', 'all-options'], 'says nothing to change'],
    ['an overlap of a year', ['clients', 'rotate-secret', 'all-options', '--overlap', '365d'], 'overlap must be from'],
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
    ['an unknown command', ['frobnicate']],
    ['an unknown subcommand', ['clients', 'frobnicate']],
    ['an unknown option', [...CREATE, '--frobnicate']],
    ['a missing option', ['clients', 'create']],
    ['a missing argument', ['clients', 'show']],
    ['one argument too many', ['clients', 'show', 'a', 'b']],
    ['a method that does not exist', [...CREATE, '--auth-method', 'client_secret_jwt']],
    ['two methods', [...CREATE, '--public', '--auth-method', 'none']],
    ['a limit that is no number', ['clients', 'list', '--limit', 'many']],
    ['a limit of nothing', ['clients', 'list', '--limit', '0']],
    ['an overlap that is no duration', ['clients', 'rotate-secret', 'x', '--overlap', 'soon']],
    ['a file that is not there', [...CREATE, '--metadata', 'missing.json']],
    ['a file that is not JSON', [...CREATE, '--metadata', 'broken.json']],
    ['a file that is a list', [...CREATE, '--metadata', 'list.json']],
    ['no command at all', []],
    ['a group without a command', ['clients']],
  ])('%s', async (_, argv) => {
    Object.assign(cli.files, { 'broken.json': '{', 'list.json': '[]' });
    const before = await database.prisma.client.count();
    const { exitCode, stdout, stderr } = await cli.run(...argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).not.toBe('');
    expect(await database.prisma.client.count()).toBe(before);
  });
});

test.each([
  ['clients', 'create'],
  ['clients', 'update'],
  ['clients', 'rotate-secret'],
])('the help of %s %s has examples', async (...command) => {
  const { exitCode, stdout, stderr } = await cli.run(...command, '--help');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toContain(`daemun ${command.join(' ')}`);
  expect(stdout).toContain('Examples:');
});

test('control characters in a name do not reach the terminal', async () => {
  const { id } = await cli.json(...CREATE);
  await database.prisma.client.update({ where: { id }, data: { name: 'Notes\u001b[2J' } });
  const { stdout } = await cli.run('clients', 'show', id);
  expect(stdout).toContain('Notes\uFFFD[2J');
  expect(stdout).not.toContain('\u001b');
});

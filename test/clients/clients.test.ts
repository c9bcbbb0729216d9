import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOfClientSecret, matchesClientSecret } from '../../src/clients/client-secret.ts';
import type { Clients } from '../../src/clients/clients.ts';
import type { ResourceServers } from '../../src/clients/resource-servers.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode, auditTypesOf, BY, createWebClient, openClients, webMetadata } from './client-fixtures.ts';

let database: TestDatabase;
let clients: Clients;
let resourceServers: ResourceServers;

beforeAll(async () => {
  database = await openTestDatabase();
  ({ clients, resourceServers } = openClients(database));
  await resourceServers.create(
    {
      identifier: 'https://api.example.com',
      name: 'API',
      scopes: [{ name: 'notes:read', description: 'Read your notes' }],
    },
    BY,
  );
});
afterAll(() => database.close());

async function problemsOf(outcome: Promise<{ kind: string; problems?: { field: string; message: string }[] }>) {
  const { kind, problems = [] } = await outcome;
  expect(kind).toBe('refused');
  return problems;
}

/** Everything the table has, as text: what a reader of the database sees. */
async function dump(): Promise<string> {
  const { rows } = await database.pool.query(
    `SELECT (SELECT string_agg(c::text, ' ') FROM clients c) || (SELECT string_agg(s::text, ' ') FROM client_secrets s)
      || (SELECT string_agg(a::text, ' ') FROM audit_events a) AS text`,
  );
  return rows[0].text;
}

test('a client is created with a random id, and found again with all that the protocol needs', async () => {
  const outcome = await clients.create(
    {
      name: 'Notes',
      metadata: { ...webMetadata, scope: 'openid notes:read' },
      isFirstParty: true,
      resources: ['https://api.example.com'],
    },
    BY,
  );
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
  expect(await clients.find(outcome.client.id)).toEqual({
    id: outcome.client.id,
    name: 'Notes',
    metadata: outcome.client.metadata,
    isFirstParty: true,
    requirePkce: true,
    resources: ['https://api.example.com'],
    state: 'active',
    version: 1,
    secretDigests: [digestOfClientSecret(outcome.secret!)],
  });
  expect(outcome.client.metadata).toMatchObject({ ...webMetadata, scope: 'openid notes:read' });
  expect(await auditTypesOf(database, outcome.client.id)).toEqual(['client.created']);
});

test('S-045 a secret is in the outcome once and nowhere in the database', async () => {
  const { id, secret } = await createWebClient(clients);
  expect(await dump()).not.toContain(secret);
  expect(JSON.stringify([await clients.show(id), await clients.list({ limit: 1000 })])).not.toContain(secret);
  expect((await clients.show(id))?.secrets.map(({ hint }) => hint)).toEqual([secret.slice(-4)]);
});

test('S-173 what administrators see of clients holds no digest', async () => {
  const { id, secret } = await createWebClient(clients);
  const shown = JSON.stringify([await clients.show(id), (await clients.list({ limit: 1000 })).clients]);
  expect(shown).not.toMatch(/digest/i);
  expect(shown).not.toContain(digestOfClientSecret(secret).toString('hex'));
});

test.each([
  ['a public client', { ...webMetadata, token_endpoint_auth_method: 'none' }],
  [
    'a client with its keys elsewhere',
    { ...webMetadata, token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://app.example.com/jwks' },
  ],
])('%s gets no secret', async (_, metadata) => {
  const outcome = await clients.create({ name: 'Notes', metadata }, BY);
  expect(outcome).toMatchObject({ kind: 'created', client: { secrets: [] } });
  expect(outcome).not.toHaveProperty('secret');
});

test.each<[string, object, string]>([
  ['its name is empty', { name: '' }, 'name'],
  ['its name is surrounded by spaces', { name: ' Notes' }, 'name'],
  ['its name turns the text around', { name: 'Notes \u202Emoc.elgoog' }, 'name'],
  ['its name has invisible characters', { name: 'No\u200Btes' }, 'name'],
  ['its name has a line break', { name: 'Notes\nVerified' }, 'name'],
  ['its name is longer than 100 characters', { name: 'x'.repeat(101) }, 'name'],
  ['S-050 its id looks like a person', { id: '0192f0a0-5b6c-7d3e-8f10-aabbccddeeff' }, 'id'],
  [
    'S-030 it is public and would do without PKCE',
    { metadata: { ...webMetadata, token_endpoint_auth_method: 'none' }, requirePkce: false },
    'requirePkce',
  ],
  ['S-073 its resource server does not exist', { resources: ['https://other.example.com'] }, 'resources'],
  [
    'S-053 its scope is of no resource server of its own',
    { metadata: { ...webMetadata, scope: 'openid notes:read' } },
    'scope',
  ],
  ['its metadata is no object', { metadata: 'x' }, 'metadata'],
])('a client is refused when %s', async (_, input, field) => {
  const before = await database.prisma.client.count();
  const problems = await problemsOf(clients.create({ name: 'Notes', metadata: webMetadata, ...input } as never, BY));
  expect(problems.map((problem) => problem.field)).toContain(field);
  expect(await database.prisma.client.count()).toBe(before);
});

test('an id can be chosen once', async () => {
  await createWebClient(clients, { id: 'notes' });
  const [problem] = await problemsOf(clients.create({ id: 'notes', name: 'Others', metadata: webMetadata }, BY));
  expect(problem).toEqual({ field: 'id', message: 'is taken' });
  expect((await clients.show('notes'))?.name).toBe('Notes');
});

test('two registrations of one id at the same moment: one is made, with one secret', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, () => clients.create({ id: 'race', name: 'Notes', metadata: webMetadata }, BY)),
  );
  expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
  expect((await clients.show('race'))?.secrets).toHaveLength(1);
});

test.each([
  ['unknown', 'nobody'],
  ['empty', ''],
  ['longer than any id', 'x'.repeat(10_000)],
  ['a zero byte', 'a\u0000b'],
  ['no ASCII', '앱'],
  ['half a surrogate', '\uD800'],
])('an id that is %s finds nothing and breaks nothing', async (_, id) => {
  expect(await clients.find(id)).toBeUndefined();
  expect(await clients.show(id)).toBeUndefined();
  expect(await clients.disable(id, BY)).toBe('not_found');
});

test('many look-ups at once each get their own client', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, () => createWebClient(clients)));
  const ids = [...made, ...made].map(({ id }) => id);
  const found = await Promise.all([...ids, 'nobody'].map((id) => clients.find(id)));
  expect(found.map((client) => client?.id)).toEqual([...ids, undefined]);
});

test('what is found is what the database holds at that moment, also on another node', async () => {
  const { id } = await createWebClient(clients);
  const elsewhere = openClients(await anotherNode(database));
  expect((await elsewhere.clients.find(id))?.version).toBe(1);
  await clients.update(id, { name: 'Renamed' }, BY);
  expect(await elsewhere.clients.find(id)).toMatchObject({ name: 'Renamed', version: 2 });
});

test('an update changes what it names, keeps the rest, and raises the version', async () => {
  const { id, secret } = await createWebClient(clients, { requirePkce: false });
  const outcome = await clients.update(
    id,
    { metadata: { logo_uri: 'https://app.example.com/logo.png' }, resources: ['https://api.example.com'] },
    BY,
  );
  expect(outcome).toMatchObject({
    kind: 'updated',
    client: {
      name: 'Notes',
      requirePkce: false,
      resources: ['https://api.example.com'],
      version: 2,
      metadata: { ...webMetadata, logo_uri: 'https://app.example.com/logo.png' },
    },
  });
  expect(matchesClientSecret(secret, (await clients.find(id))!.secretDigests)).toBe(true);
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.updated']);
});

test('null removes a member of the metadata', async () => {
  const { id } = await createWebClient(clients, { metadata: { ...webMetadata, tos_uri: 'https://app.example.com/t' } });
  await clients.update(id, { metadata: { tos_uri: null } }, BY);
  expect((await clients.show(id))?.metadata).not.toHaveProperty('tos_uri');
});

test('response types follow the grant types', async () => {
  const { id } = await createWebClient(clients);
  await clients.update(id, { metadata: { grant_types: ['client_credentials'] } }, BY);
  expect((await clients.show(id))?.metadata.response_types).toEqual([]);
});

test.each<[string, object, string]>([
  ['a redirect URI is bad', { metadata: { redirect_uris: ['http://app.example.com/cb'] } }, 'redirect_uris.0'],
  ['the last redirect URI would go', { metadata: { redirect_uris: [] } }, 'redirect_uris'],
  ['S-040 it would become public', { metadata: { token_endpoint_auth_method: 'none' } }, 'token_endpoint_auth_method'],
  ['a member is unknown', { metadata: { client_secret: 'mine' } }, 'client_secret'],
  ['a member has a dangerous name', { metadata: JSON.parse('{"__proto__": {"redirect_uris": []}}') }, '__proto__'],
  ['its resource server does not exist', { resources: ['https://other.example.com'] }, 'resources'],
])('an update is refused and changes nothing when %s', async (_, changes, field) => {
  const { id } = await createWebClient(clients);
  const before = await clients.show(id);
  const problems = await problemsOf(clients.update(id, changes, BY));
  expect(problems.map((problem) => problem.field)).toContain(field);
  expect(await clients.show(id)).toEqual(before);
});

test('a client that begins to sign its own assertions loses its secret, and gets a new one when it stops', async () => {
  const { id, secret } = await createWebClient(clients);
  await clients.update(
    id,
    { metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://app.example.com/jwks' } },
    BY,
  );
  expect((await clients.find(id))?.secretDigests).toEqual([]);
  const back = await clients.update(id, { metadata: { token_endpoint_auth_method: 'client_secret_post' } }, BY);
  if (back.kind !== 'updated') throw new Error(JSON.stringify(back));
  const { secretDigests } = (await clients.find(id))!;
  expect(matchesClientSecret(back.secret!, secretDigests)).toBe(true);
  expect(matchesClientSecret(secret, secretDigests)).toBe(false);
});

test('two updates at the same moment both count', async () => {
  const { id } = await createWebClient(clients);
  const nodes = [clients, openClients(await anotherNode(database)).clients];
  await Promise.all([
    nodes[0]!.update(id, { metadata: { policy_uri: 'https://app.example.com/p' } }, BY),
    nodes[1]!.update(id, { metadata: { tos_uri: 'https://app.example.com/t' } }, BY),
  ]);
  expect(await clients.show(id)).toMatchObject({
    version: 3,
    metadata: { policy_uri: 'https://app.example.com/p', tos_uri: 'https://app.example.com/t' },
  });
});

test('an unknown client cannot be changed', async () => {
  expect(await clients.update('nobody', { name: 'x' }, BY)).toEqual({ kind: 'not_found' });
  expect(await clients.rotateSecret('nobody', {}, BY)).toEqual({ kind: 'not_found' });
});

test('clients are listed page by page, each once', async () => {
  for (let count = 0; count < 3; count++) await createWebClient(clients);
  const total = await database.prisma.client.count();
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = await clients.list({ limit: 2, ...(after && { after }) });
    expect(page.clients.length).toBeLessThanOrEqual(2);
    seen.push(...page.clients.map(({ id }) => id));
    after = page.next;
  } while (after);
  expect(new Set(seen).size).toBe(total);
  expect(seen).toHaveLength(total);
});

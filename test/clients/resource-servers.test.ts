import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAudit } from '../../src/audit/audit.ts';
import { createResourceServers, type ResourceServers } from '../../src/clients/resource-servers.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { BY, ISSUER } from './client-fixtures.ts';

let database: TestDatabase;
let resourceServers: ResourceServers;
let milliseconds = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  resourceServers = open();
});
afterAll(() => database.close());

function open(): ResourceServers {
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  return createResourceServers({ database, audit, issuer: ISSUER, now: () => milliseconds });
}

const read = { name: 'read', description: 'Read things' };
let count = 0;

async function create(more: object = {}): Promise<string> {
  count += 1;
  const identifier = `https://api${count}.example.com`;
  const outcome = await resourceServers.create({ identifier, name: 'API', scopes: [read], ...more } as never, BY);
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
  return outcome.resourceServer.identifier;
}

test('a resource server is created with defaults and found again', async () => {
  const identifier = await create();
  expect(await resourceServers.find(identifier)).toEqual({
    identifier,
    name: 'API',
    scopes: [read],
    accessTokenFormat: 'jwt',
  });
  const rows = await database.prisma.auditEvent.findMany({ where: { type: 'resource_server.created' } });
  expect(rows.map(({ details }) => details)).toContainEqual({ resource: identifier, name: 'API' });
});

test('format, lifetime and algorithm are kept', async () => {
  const identifier = await create({ accessTokenLifetime: 300, signingAlgorithm: 'EdDSA' });
  expect(await resourceServers.find(identifier)).toMatchObject({ accessTokenLifetime: 300, signingAlgorithm: 'EdDSA' });
  const opaque = await create({ accessTokenFormat: 'opaque' });
  expect(await resourceServers.find(opaque)).toMatchObject({ accessTokenFormat: 'opaque' });
});

test.each<[string, object, string]>([
  ['its identifier is relative', { identifier: '/api' }, 'identifier'],
  ['its identifier has a fragment', { identifier: 'https://a.example#x' }, 'identifier'],
  ['its identifier has an empty fragment', { identifier: 'https://a.example/#' }, 'identifier'],
  ['its identifier has a user name', { identifier: 'https://me@a.example' }, 'identifier'],
  ['its identifier is a script', { identifier: 'javascript:1' }, 'identifier'],
  ['its identifier has capitals in the host', { identifier: 'https://A.example' }, 'identifier'],
  ['its identifier has a space', { identifier: 'https://a.example/x y' }, 'identifier'],
  ['S-050 its identifier could be a client id', { identifier: 'notes' }, 'identifier'],
  ['S-072 it is this server itself', { identifier: ISSUER }, 'identifier'],
  ['S-072 it is this server with a slash', { identifier: `${ISSUER}/` }, 'identifier'],
  ['it has no name', { name: '' }, 'name'],
  ['a scope has a space', { scopes: [{ ...read, name: 'a b' }] }, 'scopes.0.name'],
  ['a scope has a quote', { scopes: [{ ...read, name: 'a"b' }] }, 'scopes.0.name'],
  ['a scope has a backslash', { scopes: [{ ...read, name: 'a\\b' }] }, 'scopes.0.name'],
  ['a scope has a letter that is not ASCII', { scopes: [{ ...read, name: '읽기' }] }, 'scopes.0.name'],
  ['a scope has no name', { scopes: [{ ...read, name: '' }] }, 'scopes.0.name'],
  ['a scope is about people', { scopes: [{ ...read, name: 'openid' }] }, 'scopes.0.name'],
  ['a scope is offline_access', { scopes: [{ ...read, name: 'offline_access' }] }, 'scopes.0.name'],
  ['a scope is not described', { scopes: [{ ...read, description: ' ' }] }, 'scopes.0.description'],
  ['a scope is repeated', { scopes: [read, read] }, 'scopes'],
  ['its tokens would be unsigned', { signingAlgorithm: 'none' }, 'signingAlgorithm'],
  ['its tokens would be signed by a secret', { signingAlgorithm: 'HS256' }, 'signingAlgorithm'],
  ['opaque tokens would be signed', { accessTokenFormat: 'opaque', signingAlgorithm: 'ES256' }, 'signingAlgorithm'],
  ['its tokens would live for seconds', { accessTokenLifetime: 5 }, 'accessTokenLifetime'],
  ['its tokens would live for days', { accessTokenLifetime: 90_000 }, 'accessTokenLifetime'],
  ['a member is unknown', { audience: 'x' }, 'resource'],
])('a resource server is refused when %s', async (_, input, field) => {
  const outcome = await resourceServers.create(
    { identifier: 'https://refused.example', name: 'API', ...input } as never,
    BY,
  );
  expect(outcome).toMatchObject({ kind: 'refused', problems: [{ field }] });
  expect(await resourceServers.find('https://refused.example')).toBeUndefined();
});

test('other spellings of the host and one trailing slash find the registered identifier', async () => {
  const identifier = await create();
  for (const spelling of [`${identifier}/`, identifier.toUpperCase().replace('HTTPS', 'https')]) {
    expect(await resourceServers.find(spelling)).toMatchObject({ identifier });
  }
  expect(await resourceServers.find(`${identifier}/v2`)).toBeUndefined();
  expect(await resourceServers.find(`${identifier}//`)).toBeUndefined();
  expect(await resourceServers.find('not a uri')).toBeUndefined();
});

test('one resource server cannot be registered in two spellings, also not at the same moment', async () => {
  const identifier = 'https://twice.example';
  const outcomes = await Promise.all(
    [identifier, `${identifier}/`, identifier].map((spelling) =>
      open().create({ identifier: spelling, name: 'API' }, BY),
    ),
  );
  expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
});

test('an update changes what it names; null returns to the default', async () => {
  const identifier = await create({ accessTokenLifetime: 300 });
  expect(await resourceServers.update(identifier, { name: 'Renamed', accessTokenLifetime: null }, BY)).toMatchObject({
    kind: 'updated',
  });
  expect(await resourceServers.find(identifier)).toEqual({
    identifier,
    name: 'Renamed',
    scopes: [read],
    accessTokenFormat: 'jwt',
  });
  expect(await open().find(identifier)).toMatchObject({ name: 'Renamed' });
});

test('a refused update changes nothing', async () => {
  const identifier = await create();
  const outcome = await resourceServers.update(identifier, { scopes: [read, read] }, BY);
  expect(outcome).toMatchObject({ kind: 'refused', problems: [{ field: 'scopes' }] });
  expect(await open().find(identifier)).toMatchObject({ scopes: [read] });
});

test('an unknown resource server cannot be updated', async () => {
  expect(await resourceServers.update('https://unknown.example', { name: 'x' }, BY)).toEqual({ kind: 'not_found' });
});

test('this node sees its own changes at once, another one within five seconds', async () => {
  const other = open();
  const identifier = await create();
  expect(await other.find(identifier)).toMatchObject({ name: 'API' });
  await resourceServers.update(identifier, { name: 'Renamed' }, BY);
  expect(await resourceServers.find(identifier)).toMatchObject({ name: 'Renamed' });
  milliseconds += 4_999;
  expect(await other.find(identifier)).toMatchObject({ name: 'API' });
  milliseconds += 1;
  expect(await other.find(identifier)).toMatchObject({ name: 'Renamed' });
});

test('S-177 when the database cannot be read, the question fails and the next one asks again', async () => {
  let broken = true;
  const pool = {
    query: (...args: Parameters<typeof database.pool.query>) =>
      broken ? Promise.reject(new Error('no database')) : database.pool.query(...args),
  };
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  const fragile = createResourceServers({
    database: { pool: pool as never, prisma: database.prisma },
    audit,
    issuer: ISSUER,
  });
  const identifier = await create();
  await expect(fragile.find(identifier)).rejects.toThrow('no database');
  broken = false;
  expect(await fragile.find(identifier)).toMatchObject({ identifier });
});

test('all resource servers are listed in the order of their identifiers', async () => {
  const all = await resourceServers.list();
  expect(all.length).toBe(await database.prisma.resourceServer.count());
  expect(all.map(({ identifier }) => identifier)).toEqual(all.map(({ identifier }) => identifier).toSorted());
});

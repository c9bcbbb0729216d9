import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openClients } from '../clients/client-fixtures.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

let database: TestDatabase;
let cli: CommandLine;

beforeAll(async () => {
  database = await openTestDatabase();
  cli = openCommandLine(openClients(database));
});
afterAll(() => database.close());

const API = 'https://api.example.com';

test('a resource server is registered, changed and listed', async () => {
  const created = await cli.json(
    ...['resources', 'create', '--identifier', API, '--name', 'Sessions', '--format', 'jwt', '--lifetime', '5m'],
    ...['--algorithm', 'EdDSA', '--scope', 'sessions:read=See your sessions', '--scope', 'x=a=b'],
  );
  const expected = {
    identifier: API,
    name: 'Sessions',
    scopes: [
      { name: 'sessions:read', description: 'See your sessions' },
      { name: 'x', description: 'a=b' },
    ],
    accessTokenFormat: 'jwt',
    accessTokenLifetime: 300,
    signingAlgorithm: 'EdDSA',
  };
  expect(created).toEqual(expected);
  expect(await cli.json('resources', 'update', API, '--name', 'Renamed')).toEqual({ ...expected, name: 'Renamed' });
  const { signingAlgorithm: _, ...opaque } = { ...expected, name: 'Renamed', accessTokenFormat: 'opaque' };
  expect(await cli.json('resources', 'update', API, '--format', 'opaque')).toEqual(opaque);
  expect(await cli.json('resources', 'list')).toEqual({ resourceServers: [opaque] });
  expect((await cli.run('resources', 'list')).stdout).toMatch(/LIFETIME[\s\S]*opaque +5 min +sessions:read x/);
  expect(await cli.json('resources', 'show', API)).toEqual(opaque);
  // As the protocol finds it, too.
  expect(await cli.json('resources', 'show', `${API}/`)).toEqual(opaque);
  expect((await cli.run('resources', 'show', API)).stdout).toMatch(/Token lifetime +5 min\n/);
});

describe('a refusal ends with 1 and says what is wrong:', () => {
  test.each<[string, string[], string]>([
    ['a relative identifier', ['create', '--identifier', 'api', '--name', 'API'], 'identifier must be an absolute URI'],
    [
      'an identifier that is taken',
      ['create', '--identifier', `${API}/`, '--name', 'API'],
      `registered already, as ${API}`,
    ],
    [
      'a scope about people',
      ['create', '--identifier', 'https://b.example', '--name', 'B', '--scope', 'email=x'],
      'scopes.0.name is about people',
    ],
    ['an unknown resource server', ['update', 'https://unknown.example', '--name', 'X'], 'There is no resource server'],
    ['a lifetime of seconds', ['update', API, '--lifetime', '5s'], 'accessTokenLifetime must be between 1m and 24h'],
    ['a lifetime of days', ['update', API, '--lifetime', '2d'], 'accessTokenLifetime must be between 1m and 24h'],
    ['an update of nothing', ['update', API], 'says nothing to change'],
    ['an unknown resource server to show', ['show', 'https://unknown.example'], 'There is no resource server'],
  ])('%s', async (_, argv, message) => {
    const { exitCode, stdout, stderr } = await cli.run('resources', ...argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('wrong usage ends with 2:', () => {
  test.each<[string, string[]]>([
    ['no identifier', ['create', '--name', 'API']],
    ['a scope without a description', ['create', '--identifier', API, '--name', 'API', '--scope', 'read']],
    ['a scope without a name', ['create', '--identifier', API, '--name', 'API', '--scope', '=Read']],
    ['an unknown format', ['create', '--identifier', API, '--name', 'API', '--format', 'xml']],
    ['an unsigned format', ['create', '--identifier', API, '--name', 'API', '--algorithm', 'none']],
  ])('%s', async (_, argv) => {
    expect((await cli.run('resources', ...argv)).exitCode).toBe(2);
  });
});

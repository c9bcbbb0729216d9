import { describe, expect, test } from '@jest/globals';
import { sectionsWith } from '../../src/config/schema.ts';
import { defineProvider } from '../../src/upstreams/provider.ts';

const surroundings = { keepsTokens: false, fetch: () => Promise.reject(new Error('nobody is asked')) };

/** One that shows what it was made with. */
function define(name: string, made: object[] = []) {
  return defineProvider({
    name,
    displayName: 'Some',
    registration: 'an application whose redirect',
    settings: { tenant: { kind: 'text', meaning: 'T.' }, strict: { kind: 'flag', meaning: 'S.' } },
    standIn: (base) => ({ token: `${base}/token` }),
    async create(options) {
      made.push(options);
      return { provider: name, displayName: 'Some', begin: async () => '', finish: async () => ({ kind: 'denied' }) };
    },
  });
}

describe('the name of a provider', () => {
  test.each(['google', 'x', 'post_office', 'a'.repeat(32)])('may be %s', (name) => {
    expect(define(name).name).toBe(name);
  });

  test.each([
    '',
    'post-office',
    'Google',
    'google2',
    '_google',
    '../google',
    'go ogle',
    'goögle',
    'google\n',
    'a'.repeat(33),
  ])('cannot be %j: variables and addresses are made of it', (name) => {
    expect(() => define(name)).toThrow(`${JSON.stringify(name)} cannot be the name of a provider`);
  });

  test.each([
    { names: ['some', 'some'], variable: 'SOME_CLIENT_ID' },
    { names: ['some_client', 'some'], extra: 'clientTenant', variable: 'SOME_CLIENT_TENANT' },
    { names: ['some'], extra: 'clientSecret', variable: 'SOME_CLIENT_SECRET' },
    { names: ['daemun'], extra: 'signUp', variable: 'DAEMUN_SIGN_UP' },
  ])('$names: two variables cannot have one name', ({ names, extra, variable }) => {
    const declared = names.map((name) => define(name));
    const last = declared.pop()!;
    const settings = extra ? { [extra]: { kind: 'text', meaning: 'E.' } as const } : last.settings;
    expect(() => sectionsWith([...declared, { ...last, settings }])).toThrow(`${variable} would be two variables`);
  });
});

describe('what a provider is made with', () => {
  const said = { clientId: 'c', clientSecret: 's', settings: {} };

  test('its credentials, its settings as their kinds, and nothing that it did not declare', async () => {
    const made: object[] = [];
    await define('some', made).create({ ...said, settings: { tenant: 't', strict: false, other: 1 } }, surroundings);
    expect(made).toEqual([{ clientId: 'c', clientSecret: 's', tenant: 't', strict: false, ...surroundings }]);
  });

  test('settings that were left out are not there, also those that every object has', async () => {
    const made: object[] = [];
    await define('some', made).create(said, surroundings);
    expect(made).toEqual([{ clientId: 'c', clientSecret: 's', ...surroundings }]);
  });

  test('with a stand-in, the endpoints below its own name there', async () => {
    const made: object[] = [];
    await define('some', made).create(said, { ...surroundings, standInAt: 'http://localhost:4002' });
    expect(made).toEqual([expect.objectContaining({ endpoints: { token: 'http://localhost:4002/some/token' } })]);
  });

  test.each([{ tenant: 1 }, { strict: 'on' }, { tenant: ['t'] }])('%j is of another kind', (settings) => {
    expect(() => define('some').create({ ...said, settings }, surroundings)).toThrow(/is not of the kind/);
  });
});

import { expect, test } from '@jest/globals';
import { providers } from '../../src/upstreams/registry.ts';
import { createUpstreams } from '../../src/upstreams/upstreams.ts';
import { attempt, outbound } from './attempts.ts';

const client = { clientId: 'c', clientSecret: 's', settings: {} };
const common = { providers, keepsTokens: false, fetch: outbound };

test.each([
  [{}, []],
  [{ google: client }, ['google']],
  [{ discord: client }, ['discord']],
  [{ discord: client, google: client }, ['google', 'discord']],
])('%j makes %j', async (settings, names) => {
  const upstreams = await createUpstreams({ ...common, settings });
  expect(upstreams.map(({ provider }) => provider)).toEqual(names);
});

test('each is called what its file declares', async () => {
  const settings = Object.fromEntries(providers.map(({ name }) => [name, client]));
  const upstreams = await createUpstreams({ ...common, settings });
  const declared = providers.map(({ name, displayName }) => ({ provider: name, displayName }));
  expect(upstreams.map(({ provider, displayName }) => ({ provider, displayName }))).toEqual(declared);
});

test('a stand-in takes the place of all of them', async () => {
  const upstreams = await createUpstreams({
    ...common,
    settings: { google: client, discord: client },
    standInAt: 'http://localhost:4002',
  });
  for (const upstream of upstreams) {
    expect(await upstream.begin(attempt())).toMatch(new RegExp(`^http://localhost:4002/${upstream.provider}/`));
  }
});

test('S-102 a setting arrives where it counts', async () => {
  const google = { ...client, settings: { hostedDomains: ['school.example'] } };
  const [upstream] = await createUpstreams({ ...common, settings: { google } });
  expect(new URL(await upstream!.begin(attempt())).searchParams.get('hd')).toBe('school.example');
});

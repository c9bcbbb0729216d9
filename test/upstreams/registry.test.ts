import { expect, test } from '@jest/globals';
import { createUpstreams, type UpstreamSettings } from '../../src/upstreams/registry.ts';
import { attempt, outbound } from './attempts.ts';

const client = { clientId: 'c', clientSecret: 's' };

test.each<[settings: UpstreamSettings, providers: string[]]>([
  [{}, []],
  [{ google: client }, ['google']],
  [{ discord: client }, ['discord']],
  [{ discord: client, google: client }, ['google', 'discord']],
])('%j makes %j', (settings, providers) => {
  const upstreams = createUpstreams({ settings, keepsTokens: false, fetch: outbound });
  expect(upstreams.map(({ provider }) => provider)).toEqual(providers);
});

test('a stand-in takes the place of all of them', async () => {
  const upstreams = createUpstreams({
    settings: { google: client, discord: client },
    keepsTokens: false,
    fetch: outbound,
    standInAt: 'http://localhost:4002',
  });
  for (const upstream of upstreams) {
    expect(await upstream.begin(attempt())).toMatch(new RegExp(`^http://localhost:4002/${upstream.provider}/`));
  }
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAudit } from '../../src/audit/audit.ts';
import { providers as configured } from '../../src/config/providers.ts';
import { askForJson } from '../../src/upstreams/ask.ts';
import type { Credentials, UpstreamProvider } from '../../src/upstreams/provider.ts';
import { createUpstreams, createUpstreamsOf, providers, type UpstreamSettings } from '../../src/upstreams/registry.ts';
import { createUpstreamSignIns } from '../../src/upstreams/sign-ins.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { attempt, outbound } from './attempts.ts';

const client = { clientId: 'c', clientSecret: 's' };

test.each<[settings: UpstreamSettings, names: string[]]>([
  [{}, []],
  [{ google: client }, ['google']],
  [{ discord: client }, ['discord']],
  [{ discord: client, google: client }, ['google', 'discord']],
])('%j makes %j', async (settings, names) => {
  const upstreams = await createUpstreams({ settings, keepsTokens: false, fetch: outbound });
  expect(upstreams.map(({ provider }) => provider)).toEqual(names);
});

test('a stand-in takes the place of all of them', async () => {
  const upstreams = await createUpstreams({
    settings: { google: client, discord: client },
    keepsTokens: false,
    fetch: outbound,
    standInAt: 'http://localhost:4002',
  });
  for (const upstream of upstreams) {
    expect(await upstream.begin(attempt())).toMatch(new RegExp(`^http://localhost:4002/${upstream.provider}/`));
  }
});

test('the configuration has every provider of the registry, by the same names', async () => {
  const all = Object.fromEntries(Object.keys(providers).map((name) => [name, client]));
  const upstreams = await createUpstreams({ settings: all, keepsTokens: false, fetch: outbound });
  const named = Object.entries(configured).map(([provider, { displayName }]) => ({ provider, displayName }));
  expect(upstreams.map(({ provider, displayName }) => ({ provider, displayName }))).toEqual(named);
});

/** All that a third one takes: what would be its file. */
interface PostOfficeSettings extends Credentials {
  counter: number;
}

const postOffice: UpstreamProvider<PostOfficeSettings, { counters: string }> = {
  standIn: (base) => ({ counters: `${base}/counters` }),
  create: ({ clientId, counter, fetch, endpoints = { counters: 'https://post.example/counters' } }) => ({
    provider: 'post-office',
    displayName: 'Post office',
    async begin({ state, redirectUri }) {
      const query = new URLSearchParams({ client_id: clientId, redirect_uri: redirectUri, state });
      return `${endpoints.counters}/${counter}?${query}`;
    },
    async finish(response) {
      const headers = { Authorization: `Code ${response.get('code')}` };
      const { number } = await askForJson(fetch, `${endpoints.counters}/${counter}/person`, { headers });
      return { kind: 'identified', identity: { provider: 'post-office', subject: String(number) } };
    },
  }),
};

describe('a third provider', () => {
  /** The line in the registry. */
  const extended = { ...providers, 'post-office': async () => postOffice };

  const server = createServer(({ url, headers }, response) => {
    const isRight = url === '/post-office/counters/3/person' && headers.authorization === 'Code abc';
    response.writeHead(isRight ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(isRight ? { number: 4711 } : {}));
  });
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openTestDatabase();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    await database.close();
  });

  test('is one file and one line here, and people sign in with it', async () => {
    const upstreams = await createUpstreamsOf(extended, {
      settings: { discord: client, 'post-office': { ...client, counter: 3 } },
      keepsTokens: false,
      fetch: outbound,
      standInAt: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });
    const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
    const callbackUrl = (provider: string) => `https://id.example/callback/${provider}`;
    const signIns = createUpstreamSignIns({ pool: database.pool, upstreams, audit, callbackUrl });
    expect(await signIns.list()).toEqual([
      { provider: 'discord', displayName: 'Discord' },
      { provider: 'post-office', displayName: 'Post office' },
    ]);

    const there = { provider: 'post-office', interaction: 'i-1' };
    const begun = await signIns.begin({ ...there, request: { freshSignIn: false } });
    const { searchParams } = new URL(begun.kind === 'redirect' ? begun.url : `unexpected:${begun.kind}`);
    expect(searchParams.get('redirect_uri')).toBe('https://id.example/callback/post-office');
    const response = new URLSearchParams({ code: 'abc', state: searchParams.get('state')! });
    expect(await signIns.finish({ ...there, response }, {})).toEqual({
      kind: 'identified',
      identity: { provider: 'post-office', subject: '4711' },
    });
    expect(await signIns.finish({ ...there, response }, {})).toEqual({ kind: 'spent' });
    await audit.close();
  });
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
// @ts-expect-error plain JavaScript, which also runs before anything is compiled
import { configurationPage, environmentExample } from '../../scripts/docs.mjs';
import { createAudit } from '../../src/audit/audit.ts';
import { type Environment, loadConfig } from '../../src/config/load.ts';
import { sectionsWith } from '../../src/config/schema.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createUpstreamSignIns } from '../../src/upstreams/sign-ins.ts';
import { createUpstreams } from '../../src/upstreams/upstreams.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import { outbound } from './attempts.ts';
import { playPostOffice } from './fake-post-office.ts';
import { postOffice } from './post-office.ts';

/** As the registry would be with one more line; its file is post-office.ts. */
const registry = [...providers, postOffice];

const ENVIRONMENT = {
  DISCORD_CLIENT_ID: '81384788765712384',
  DISCORD_CLIENT_SECRET: 'hunter2',
  POST_OFFICE_CLIENT_ID: 'post_office-client',
  POST_OFFICE_CLIENT_SECRET: 'hunter3',
  POST_OFFICE_COUNTER: '3',
  POST_OFFICE_OPEN_AT_NIGHT: 'on',
  POST_OFFICE_POSTAL_DOMAINS: 'Post.example',
};

let fake: FakeUpstream;
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  fake = await startFakeUpstream({ clientSecret: 'hunter3', play: { post_office: playPostOffice } });
});
afterAll(async () => {
  await fake.close();
  await database.close();
});

test('one file and one line: people sign in with it as its variables say', async () => {
  const { upstreams: config } = loadConfig(registry, ENVIRONMENT);
  const upstreams = await createUpstreams({
    providers: registry,
    settings: config.providers,
    keepsTokens: config.keepsTokens,
    fetch: outbound,
    standInAt: fake.origin,
  });
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  const callbackUrl = (provider: string) => `https://id.example/callback/${provider}`;
  const signIns = createUpstreamSignIns({ pool: database.pool, upstreams, audit, callbackUrl });
  expect(await signIns.list()).toEqual([
    { provider: 'discord', displayName: 'Discord' },
    { provider: 'post_office', displayName: 'Post Office' },
  ]);

  const there = { provider: 'post_office', interaction: 'i-1', browser: 'b-1' };
  const begun = await signIns.begin({ ...there, request: { freshSignIn: false } });
  const url = begun.kind === 'redirect' ? begun.url : `unexpected:${begun.kind}`;
  expect(url.startsWith(`${fake.origin}/post_office/counters?`)).toBe(true);
  expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({
    client_id: 'post_office-client',
    redirect_uri: 'https://id.example/callback/post_office',
    counter: '3',
    domains: 'post.example',
    night: 'yes',
  });
  fake.register('https://id.example');
  const { post_office: office } = fake.others;
  office!.people.push({ subject: '4711' });
  const response = (await office!.decide(url)).searchParams;
  expect(await signIns.finish({ ...there, response }, {})).toEqual({
    kind: 'identified',
    identity: { provider: 'post_office', subject: '4711' },
  });
  expect(await signIns.finish({ ...there, response }, {})).toEqual({ kind: 'spent' });
  await audit.close();
});

test('its secret is one, and what is left out is not there', () => {
  const { POST_OFFICE_CLIENT_ID, POST_OFFICE_CLIENT_SECRET } = ENVIRONMENT;
  const { providers: said } = loadConfig(registry, { POST_OFFICE_CLIENT_ID, POST_OFFICE_CLIENT_SECRET }).upstreams;
  expect(said.post_office).toMatchObject({ clientId: 'post_office-client', settings: {} });
  expect(JSON.stringify(said)).not.toContain('hunter');
});

test.each<[Environment, problem: string]>([
  [{ POST_OFFICE_CLIENT_ID: 'box-7' }, 'POST_OFFICE_CLIENT_SECRET is missing'],
  [{ POST_OFFICE_COUNTER: '3' }, 'POST_OFFICE_COUNTER needs POST_OFFICE_CLIENT_ID'],
  [{ ...ENVIRONMENT, POST_OFFICE_POSTAL_DOMAINS: 'nowhere' }, 'POST_OFFICE_POSTAL_DOMAINS must be domains'],
  [{ POST_OFFICE_CLENT_ID: 'box-7' }, 'POST_OFFICE_CLENT_ID is not a variable of this service; perhaps POST_OFFICE_CL'],
])('%j is refused like that of any other: %s', (env, problem) => {
  expect(() => loadConfig(registry, env)).toThrow(problem);
});

test('the pages that are made of the configuration have it', () => {
  const sections = sectionsWith(registry);
  const page: string = configurationPage(sections);
  expect(page).toContain(
    '| `POST_OFFICE_CLIENT_ID` | text |  | Offers sign-in with Post Office: the client id of a letter box whose return address is ISSUER and `/callback/post_office`. Needs POST_OFFICE_CLIENT_SECRET. |',
  );
  expect(page).toContain('| `POST_OFFICE_CLIENT_SECRET`<br>`POST_OFFICE_CLIENT_SECRET_FILE` | text, secret |');
  expect(page).toContain('| `POST_OFFICE_OPEN_AT_NIGHT` | on or off |  | Whether people may come at night. |');
  expect(environmentExample(sections)).toContain('\n#POST_OFFICE_POSTAL_DOMAINS=\n');
  expect(configurationPage(sectionsWith(providers))).not.toContain('POST_OFFICE');
});

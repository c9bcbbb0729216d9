import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { generateApiKeyValue } from '../../src/api-keys/api-key-value.ts';
import { openCommandLine } from '../cli/command-line.ts';
import type { FakeUpstream } from '../support/fake-upstream.ts';
import { exchangeKey } from '../support/flow-api-key-exchange.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, post } from '../support/flow-client.ts';
import { leaveFor } from '../support/flow-federation.ts';
import { CALLBACK } from '../support/flow-server.ts';
import { freePort } from '../support/free-port.ts';
import { CREDENTIALS, type MailServer, startMailServer } from '../support/mail-server.ts';
import { leavesOutRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import {
  createSecretSearch,
  randomSecret,
  startTalkativeService,
  type TalkativeService,
} from '../support/secret-search.ts';
import type { WholeService } from '../support/whole-service.ts';

const REDIS_PASSWORD = randomSecret();
const MAIL_PASSWORD = randomSecret();
const UPSTREAM_SECRET = randomSecret();
const KEK = randomBytes(32).toString('base64');

const { learn, count, toldIn } = createSecretSearch({
  'password at Redis': REDIS_PASSWORD,
  'password at the mail server': MAIL_PASSWORD,
  'the same as it is sent': Buffer.from(`\0${CREDENTIALS.user}\0${MAIL_PASSWORD}`).toString('base64'),
  'key-encryption key': KEK,
  'secret at the upstream': UPSTREAM_SECRET,
});
/** Every answer but those that hand out a secret. */
const answers: string[] = [];

let redis: RedisServer | undefined;
let mail: MailServer;
let talkative: TalkativeService;
let upstream: FakeUpstream;
let whole: WholeService;
beforeAll(async () => {
  redis = leavesOutRedis ? undefined : await startRedis(['--requirepass', REDIS_PASSWORD]);
  // Its certificate is nobody's: what fails is told of at length.
  mail = await startMailServer({ auth: true, tls: 'implicit' });
  // Without a server there are as many failures to tell of.
  const redisPort = redis?.port ?? (await freePort());
  talkative = await startTalkativeService({
    keyEncryptionKey: KEK,
    clientSecret: UPSTREAM_SECRET,
    variables: ({ discord }) => ({
      REDIS_URL: `redis://:${REDIS_PASSWORD}@127.0.0.1:${redisPort}`,
      SMTP_URL: `smtps://localhost:${mail.port}`,
      SMTP_USER: CREDENTIALS.user,
      SMTP_PASSWORD: MAIL_PASSWORD,
      MAIL_FROM: 'no-reply@id.example.com',
      DISCORD_CLIENT_ID: discord.clientId,
      DISCORD_CLIENT_SECRET: UPSTREAM_SECRET,
      DAEMUN_KEEP_UPSTREAM_TOKENS: 'on',
    }),
  });
  ({ whole, upstream } = talkative);
}, 240_000);
afterAll(async () => {
  await talkative.close();
  await mail.close();
  await redis?.close();
}, 60_000);

async function ask(method: string, path: string, key: string, body?: unknown): Promise<number> {
  const answer = await fetch(`${whole.issuer}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  answers.push(`${JSON.stringify([...answer.headers])}\n${await answer.text()}`);
  return answer.status;
}

/** A key that holds, in every way in which it is used; then as it is refused: rotated, ended, foreign, misspelt, unknown. */
async function useKeys(): Promise<void> {
  const cli = openCommandLine(whole.services);
  const made = async (scope: string, name: string) => {
    const { value, id } = await cli.json(
      ...['api-keys', 'create', '--system', '--name', name, '--scope', `${whole.issuer}/api/v1 ${scope}`],
    );
    return { id: id as string, value: learn(`API key ${name}`, value) };
  };
  const [reader, lost] = [await made('users:read', 'Reader'), await made('users:read', 'Lost')];
  expect(await ask('GET', '/users', reader.value)).toBe(200);
  expect(await ask('POST', '/service-accounts', reader.value, {})).toBe(403);
  expect(await ask('GET', `/users?access_token=${lost.value}`, reader.value)).toBe(400);
  const exchanged = await exchangeKey(whole, reader.value, { resource: `${whole.issuer}/api/v1` });
  expect(exchanged.status).toBe(200);
  const token = learn('token for a key', exchanged.json.access_token);
  expect(await ask('GET', '/users', token)).toBe(200);
  expect(await ask('GET', '/users', learn('tampered token', `${token.slice(0, -8)}AAAAAAAA`))).toBe(401);
  const rotated = await cli.json('api-keys', 'rotate', reader.id, '--overlap', '0');
  learn('rotated API key', rotated.value);
  expect(await ask('POST', '/api-keys/found', lost.value, { keys: [lost.value] })).toBeLessThan(500);
  await cli.json('api-keys', 'revoke', lost.id).catch(() => undefined);
  const misspelt = learn('misspelt API key', `${rotated.value.slice(0, -1)}${rotated.value.endsWith('0') ? '1' : '0'}`);
  const unknown = learn('unknown API key', generateApiKeyValue('sk-').reveal());
  for (const key of [reader.value, lost.value, misspelt, unknown]) {
    expect(await ask('GET', '/users', key)).toBe(401);
    const refused = await exchangeKey(whole, key, { resource: `${whole.issuer}/api/v1` });
    expect(refused.status).toBe(400);
    answers.push(refused.text);
  }
}

/** By Discord, whose tokens are kept; a second token of the same family is made of the first, and repeated after its end. */
async function signInByUpstream(): Promise<void> {
  const created = await openCommandLine(whole.services).json(
    ...['clients', 'create', '--name', 'Notes', '--redirect-uri', CALLBACK],
    ...['--grant-type', 'authorization_code', '--grant-type', 'refresh_token', '--first-party'],
  );
  const client = { id: created.id as string, secret: learn('secret of the client', created.secret) };
  const config = await connect(whole, client);
  const { url, verifier } = await authorizationRequest(config, { scope: 'openid offline_access' });
  const browser = createBrowser(whole.issuer);
  const visit = await browser.open(url.href);
  upstream.discord.people.push({
    subject: '80351110224678912',
    email: 'dain@example.com',
    verified: true,
    name: 'Dain',
  });
  const there = await leaveFor('discord', { browser, visit });
  const end = await browser.open((await upstream.discord.decide(there.href, { as: '80351110224678912' })).href);
  const code = learn('code', end.url.searchParams.get('code'));
  for (const { headers } of upstream.discord.requests) {
    const [, token] = /^Bearer (\S+)$/.exec(String(headers.authorization)) ?? [];
    if (token) learn('token of the upstream', token);
  }
  expect(count('token of the upstream')).toBeGreaterThan(0);
  for (const { name, value } of browser.cookies)
    if (value.length >= 16) learn(`cookie ${name}`, decodeURIComponent(value));

  const token = async (form: Record<string, string>) => post(`${whole.issuer}/token`, form, basic(client));
  const redeem = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: learn('code_verifier', verifier),
  };
  const first = await token(redeem);
  const renewed: string[] = [first.json.refresh_token];
  for (let round = 0; round < 2; round++) {
    const { json } = await token({ grant_type: 'refresh_token', refresh_token: renewed.at(-1)! });
    learn('access_token', json.access_token);
    renewed.push(json.refresh_token ?? renewed.at(-1)!);
  }
  for (const value of new Set(renewed)) learn('refresh_token', value);
  for (const form of [redeem, { grant_type: 'refresh_token', refresh_token: renewed[0]! }]) {
    const refused = await token(form);
    expect(refused.status).toBe(400);
    answers.push(refused.text);
  }
}

test('S-037 S-175 neither API keys nor kept tokens nor what opens Redis and the mail server is told: not in the log, in figures, in traces, in answers, nor in the delivery log', async () => {
  await useKeys();
  await signInByUpstream();

  // Mail that the server does not take from us.
  const cli = openCommandLine(whole.services);
  const { link } = await cli.json('users', 'create', '--email', 'minseo@example.com');
  learn('link', new URL(link).pathname.split('/').at(-1));
  expect((await cli.run('users', 'disable', 'minseo@example.com')).exitCode).toBe(0);
  const deliveries = async () => JSON.stringify(await whole.services.outbox.list({ onlyDead: false, limit: 100 }));
  await until(async () => /certificate/.test(await deliveries()));

  const keysOfRedis = redis ? await redis.ask('AUTH', REDIS_PASSWORD) : '';
  expect(keysOfRedis).toBe(redis ? '+OK\r\n' : '');
  await redis?.kill();
  const figures = async () => (await fetch(whole.metricsUrl)).text();
  await until(async () => /daemun_redis_failures_total\{reason="\w+"\} [1-9]|breaker_open 1/.test(await figures()));
  const places = { figures: await figures(), deliveries: await deliveries(), answers: answers.join('\n') };
  await whole.close();

  const log = talkative.log();
  for (const type of ['api_key.refused', 'code.replayed']) expect(log).toContain(type);
  expect(places.figures).toMatch(/daemun_api_keys_refused_total\{cause="unknown"\} [1-9]/);
  expect(places.figures).toMatch(/daemun_api_keys_refused_total\{cause="checksum"\} [1-9]/);
  expect(places.figures).toMatch(/daemun_outbox_deliveries_total\{kind="mail",outcome="failed"\} [1-9]/);
  expect(count()).toBeGreaterThan(20);
  expect(toldIn({ ...places, log, traces: talkative.collector.bodies.join('\n') })).toEqual([]);
}, 120_000);

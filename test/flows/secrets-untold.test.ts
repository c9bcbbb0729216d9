import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type JWK, SignJWT } from 'jose';
import { openCommandLine } from '../cli/command-line.ts';
import type { FakeUpstream } from '../support/fake-upstream.ts';
import { type Browser, createBrowser, type Visit } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, post } from '../support/flow-client.ts';
import { leaveFor } from '../support/flow-federation.ts';
import { CALLBACK } from '../support/flow-server.ts';
import {
  createSecretSearch,
  randomSecret,
  startTalkativeService,
  type TalkativeService,
} from '../support/secret-search.ts';
import type { WholeService } from '../support/whole-service.ts';

const PASSWORD = `right ${randomSecret()}`;
const WRONG_PASSWORD = `wrong ${randomSecret()}`;
const METRICS_TOKEN = randomSecret();
const COLLECTOR_KEY = randomSecret();
const UPSTREAM_SECRET = randomSecret();
const KEK = randomBytes(32).toString('base64');

const { learn, count, toldIn } = createSecretSearch({
  password: PASSWORD,
  'wrong password': WRONG_PASSWORD,
  'metrics token': METRICS_TOKEN,
  'key of the collector': COLLECTOR_KEY,
  'key-encryption key': KEK,
  'secret at the upstream': UPSTREAM_SECRET,
});
/** Everything answered with an error, headers included. */
const refusals: string[] = [];

let talkative: TalkativeService;
let upstream: FakeUpstream;
let whole: WholeService;
const fetchPlainly = globalThis.fetch;
beforeAll(async () => {
  talkative = await startTalkativeService({
    keyEncryptionKey: KEK,
    clientSecret: UPSTREAM_SECRET,
    variables: ({ google }) => ({
      DAEMUN_BCRYPT_COST: '4',
      GOOGLE_CLIENT_ID: google.clientId,
      GOOGLE_CLIENT_SECRET: UPSTREAM_SECRET,
      DAEMUN_METRICS_TOKEN: METRICS_TOKEN,
      OTEL_EXPORTER_OTLP_HEADERS: `api-key=${COLLECTOR_KEY}`,
    }),
  });
  ({ whole, upstream } = talkative);
  globalThis.fetch = async (...asked) => {
    const answer = await fetchPlainly(...asked);
    if (!String(asked[0] instanceof Request ? asked[0].url : asked[0]).startsWith(whole.issuer)) return answer;
    if (answer.status >= 400) {
      refusals.push(`${answer.status} ${JSON.stringify([...answer.headers])}\n${await answer.clone().text()}`);
    }
    return answer;
  };
}, 240_000);
afterAll(async () => {
  globalThis.fetch = fetchPlainly;
  await talkative.close();
}, 60_000);

function learnCookies({ cookies }: Browser): void {
  for (const { name, value } of cookies) if (value.length >= 16) learn(`cookie ${name}`, decodeURIComponent(value));
}

/** Forms of a page are given back to whoever has the page: what only its own reader can use is no secret to that one. */
function csrfOf({ text }: Visit): string {
  const csrf = learn('csrf', /name="csrf" value="([^"]+)"/.exec(text)?.[1]);
  return csrf;
}

const fieldOf = (text: string, name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? '';

async function chooseByLink(link: string, fields: Record<string, string>): Promise<void> {
  const browser = createBrowser(whole.issuer);
  const { pathname } = new URL(link);
  learn('link', pathname.split('/').at(-1));
  // Refusals of it are told of too.
  await browser.submit(pathname, fields);
  await browser.open(`${pathname}/`);
  const page = await browser.open(pathname);
  expect((await browser.submit(pathname, { csrf: csrfOf(page), ...fields })).response?.status).toBe(200);
  expect((await browser.open(pathname)).response?.status).toBe(410);
  learnCookies(browser);
}

/** There and back by a browser of its own; then an answer of the upstream that was tampered with, and one that is spent. */
async function signInByUpstream(request: URL): Promise<void> {
  const browser = createBrowser(whole.issuer);
  const visit = await browser.open(request.href);
  csrfOf(visit);
  upstream.google.people.push({
    subject: 'somebody-at-google',
    email: 'dain@gmail.com',
    verified: true,
    name: 'Dain',
  });
  const there = await leaveFor('google', { browser, visit });
  for (const name of ['state', 'nonce', 'code_challenge']) learn(`upstream ${name}`, there.searchParams.get(name));
  const back = await upstream.google.decide(there.href, { as: 'somebody-at-google' });
  learn('upstream code', back.searchParams.get('code'));
  const end = await browser.open(back.href);
  expect(end.text + end.url.href).toMatch(/consent|code=/);
  const { body } = upstream.google.requests.find(({ url }) => url.includes('token'))!;
  learn('upstream code_verifier', new URLSearchParams(body).get('code_verifier'));
  expect((await browser.open(back.href)).response?.status).toBeGreaterThanOrEqual(400);
  back.searchParams.set('state', learn('made-up state', randomSecret()));
  expect((await browser.open(back.href)).response?.status).toBeGreaterThanOrEqual(400);
  learnCookies(browser);
}

/** Assertions of a client that has a key: one that holds, the same again, and one that was tampered with. */
async function authenticateByAssertion(): Promise<void> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { d, ...jwk } = pair.privateKey.export({ format: 'jwk' }) as JWK;
  learn('key of the client', d);
  const created = await whole.services.clients.create(
    {
      name: 'Signer',
      metadata: {
        ...{ grant_types: ['client_credentials'], response_types: [], token_endpoint_auth_method: 'private_key_jwt' },
        jwks: { keys: [{ ...jwk, kid: 'k1', alg: 'ES256', use: 'sig' }] },
      } as never,
    },
    { actor: 'test' },
  );
  if (created.kind !== 'created') throw new Error(JSON.stringify(created));
  const { id } = created.client;
  const now = Math.floor(Date.now() / 1000);
  const assertion = await new SignJWT({
    iss: id,
    sub: id,
    aud: whole.issuer,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .sign(pair.privateKey);
  learn('client assertion', assertion);
  const [head, claims, signature] = assertion.split('.') as [string, string, string];
  const tampered = `${head}.${claims}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  learn('signature of the assertion', signature.slice(1));
  const present = (client_assertion: string) =>
    post(`${whole.issuer}/token`, {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion,
    });
  const first = await present(assertion);
  expect(first.status).toBe(200);
  learn('token of the signer', first.json.access_token);
  for (const refused of [assertion, tampered, learn('half an assertion', assertion.slice(0, 80))]) {
    expect([400, 401]).toContain((await present(refused)).status);
  }
}

test('S-037 S-175 a full run tells none of its secrets: not in the log, in figures, in traces, nor in errors', async () => {
  const { services, issuer } = whole;
  const cli = openCommandLine(services);

  // The first administrator, and somebody who gets a link.
  const setup = (await services.oneTimeLinks.createSetup())!;
  await chooseByLink(`${issuer}/setup/${setup.token}`, {
    user_name: 'jiwoo',
    name: 'Jiwoo',
    email: '',
    password: PASSWORD,
  });
  const { link } = await cli.json('users', 'create', '--email', 'minseo@example.com');
  await chooseByLink(link, { password: PASSWORD });
  for (const { text } of (await services.mailbox?.list()) ?? []) {
    for (const [, token] of text.matchAll(/\/set-password\/([\w-]+)/g)) learn('mailed link', token);
  }

  const created = await cli.json(
    ...['clients', 'create', '--name', 'Notes', '--redirect-uri', CALLBACK],
    ...['--grant-type', 'authorization_code', '--grant-type', 'refresh_token', '--grant-type', 'client_credentials'],
  );
  learn('first secret of the client', created.secret);
  const { secret } = await cli.json('clients', 'rotate-secret', created.id);
  const client = { id: created.id as string, secret: learn('secret of the client', secret) };
  const authorization = basic(client);
  learn('Authorization', authorization.authorization!.slice('Basic '.length));
  const wrong = basic({ id: client.id, secret: learn('wrong secret', randomSecret()) });
  learn('wrong Authorization', wrong.authorization!.slice('Basic '.length));

  // A sign-in by the pages, with a wrong password first.
  const browser = createBrowser(issuer);
  const config = await connect({ issuer }, client);
  const { url, verifier } = await authorizationRequest(config, { scope: 'openid offline_access', prompt: 'consent' });
  learn('code_verifier', verifier);
  let page = await browser.open(url.href);
  const { pathname } = page.url;
  for (const password of [WRONG_PASSWORD, PASSWORD]) {
    page = await browser.submit(`${pathname}/login`, { csrf: csrfOf(page), email: 'jiwoo', password });
    learnCookies(browser);
  }
  const shown = fieldOf(page.text, 'shown');
  page = await browser.submit(`${page.url.pathname}/consent`, { csrf: csrfOf(page), shown, decision: 'allow' });
  const code = learn('code', page.url.searchParams.get('code'));
  learnCookies(browser);

  const token = (form: Record<string, string>, headers: Record<string, string> = authorization) =>
    post(`${issuer}/token`, form, headers);
  const redeem = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK };
  expect((await token({ ...redeem, code_verifier: randomSecret().padEnd(43, 'x') })).status).toBe(400);
  const first = await token({ ...redeem, code_verifier: verifier });
  expect(first.status).toBe(200);
  for (const name of ['access_token', 'refresh_token', 'id_token']) learn(name, first.json[name]);
  const refresh = { grant_type: 'refresh_token', refresh_token: first.json.refresh_token };
  const second = await token(refresh);
  for (const name of ['access_token', 'id_token']) learn(name, second.json[name]);
  expect((await token({ ...refresh, refresh_token: learn('made-up token', randomSecret()) })).status).toBe(400);
  expect((await token({ grant_type: 'client_credentials' }, wrong)).status).toBe(401);
  const machine = await token({ grant_type: 'client_credentials' });
  learn('token of the machine', machine.json.access_token);

  // Proofs that hold and do not.
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = pair.publicKey.export({ format: 'jwk' }) as JWK;
  const proofOf = (htu: string) =>
    new SignJWT({ htm: 'POST', htu, iat: Math.floor(Date.now() / 1000), jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .sign(pair.privateKey);
  for (const [htu, status] of [
    [`${issuer}/token`, 200],
    ['https://elsewhere.example/token', 400],
  ] as const) {
    const dpop = learn('DPoP proof', await proofOf(htu));
    const answer = await token({ grant_type: 'client_credentials' }, { ...authorization, DPoP: dpop });
    expect(answer.status).toBe(status);
    if (status === 200) learn('bound token', answer.json.access_token);
  }

  const { access_token, id_token } = second.json;
  expect((await post(`${issuer}/introspect`, { token: access_token }, authorization)).json.active).toBe(true);
  expect((await post(`${issuer}/introspect`, { token: machine.json.access_token }, wrong)).status).toBe(401);
  const presented = (value: string) => fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${value}` } });
  expect((await presented(access_token)).status).toBe(200);
  expect((await presented(learn('unknown token', randomBytes(32).toString('base64url')))).status).toBe(401);
  const tampered = learn('tampered hint', `${id_token.slice(0, -6)}AAAAAA`);
  await browser.open(`${url.href}&prompt=none&id_token_hint=${tampered}`);
  await browser.open(`/logout?id_token_hint=${tampered}`);
  const pushed = await post(`${issuer}/par`, Object.fromEntries(url.searchParams), authorization);
  learn('request_uri', pushed.json.request_uri);

  await signInByUpstream(url);
  await authenticateByAssertion();

  // Defects and outages, whose errors say as much as they can.
  const pool = services.database.pool as unknown as { query?: unknown };
  for (const error of [
    Object.assign(new Error('null value in column "x"'), { code: '23502', detail: `Failing row contains (${code}).` }),
    Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', parameters: [code, PASSWORD] }),
  ]) {
    Object.assign(pool, { query: () => Promise.reject(error) });
    const broken = await token(refresh);
    expect([500, 503]).toContain(broken.status);
    expect([500, 503]).toContain((await presented(access_token)).status);
    const fresh = createBrowser(issuer);
    await fresh.open(url.href);
    await fresh.open(new URL(link).pathname);
    delete pool.query;
  }

  await post(`${issuer}/revoke`, { token: access_token }, authorization);
  expect((await token({ ...redeem, code_verifier: verifier })).status).toBe(400);
  const keysAt = async () => (await (await fetch(`${issuer}/.well-known/jwks.json`)).json()).keys;
  const keys = new Set((await keysAt()).map(({ kid }: JWK) => kid));
  await cli.json('keys', 'rotate', 'ES256', '--emergency');
  // This node goes on with another one by itself.
  while (!(await keysAt()).some(({ kid }: JWK) => !keys.has(kid))) await new Promise((done) => setTimeout(done, 50));
  const rotated = await token({ grant_type: 'client_credentials' });
  expect(rotated.status).toBe(200);
  learn('token after the rotation', rotated.json.access_token);
  await cli.json('keys', 'list');

  expect((await fetchPlainly(whole.metricsUrl)).status).toBe(401);
  const scraped = await fetchPlainly(whole.metricsUrl, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
  const figures = await scraped.text();
  await whole.close();

  // All of them are there to be searched.
  const log = talkative.log();
  for (const type of ['sign_in.failed', 'verification.failed', 'permission.refused']) expect(log).toContain(type);
  expect(figures).toContain('daemun_sign_ins_total{outcome="failed",method="password",reason="wrong_password"} 1');
  expect(figures).toMatch(/daemun_verifications_failed_total\{proof="access_token",cause="unknown"\} [1-9]/);
  expect(figures).toMatch(/daemun_verifications_failed_total\{proof="dpop_proof",cause="claims"\} 1/);
  expect(figures).toMatch(/daemun_verifications_failed_total\{proof="id_token_hint",cause="signature"\} [1-9]/);
  expect(figures).toMatch(/daemun_verifications_failed_total\{proof="client_assertion",cause="replayed"\} 1/);
  expect(figures).toMatch(/daemun_verifications_failed_total\{proof="client_assertion",cause="signature"\} 1/);
  expect(figures).toMatch(/daemun_upstream_answers_total\{provider="google"\} 1/);
  expect(figures).toMatch(/daemun_key_events_total\{kind="signing_key.activated"\} [1-9]/);
  expect(figures).toMatch(/daemun_permissions_refused_total\{status="401",route="token"\} [1-9]/);
  expect(talkative.collector.spans().length).toBeGreaterThan(100);
  expect(refusals.length).toBeGreaterThan(12);
  expect(count()).toBeGreaterThan(55);

  const traces = talkative.collector.bodies.join('\n');
  const told = toldIn({ log, figures, traces, errors: refusals.join('\n') }, (place, text, what) => {
    if (place !== 'errors') return text;
    // A page that is shown again gives back its own form, and cookies are set by errors too.
    if (/^(?:csrf|cookie)/.test(what)) return undefined;
    // So does its own address, which its links to other languages lead back to.
    return /^(?:link|tampered)/.test(what) ? text.replaceAll(/href="[^"]*"/g, '') : text;
  });
  expect(told).toEqual([]);
}, 120_000);

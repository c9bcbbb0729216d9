import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type JWTPayload, SignJWT } from 'jose';
import { openKeyView } from '../../src/signing-keys/key-view.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { basic, post } from '../support/flow-client.ts';
import { CALLBACK } from '../support/flow-server.ts';
import { startWholeService, type WholeService } from '../support/whole-service.ts';

const NOTES = 'https://notes.example.com/';
const grant_types = ['client_credentials', 'authorization_code'];

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };

let whole: WholeService;
let machine: { id: string; secret: string };
const by = { actor: 'test' };
beforeAll(async () => {
  whole = await startWholeService();
  const { clients, resourceServers } = whole.services;
  const scopes = [{ name: 'run', description: 'Run' }];
  await resourceServers.create({ identifier: NOTES, name: 'Notes', scopes, accessTokenLifetime: 60 }, by);
  const created = await clients.create(
    { id: 'machine', name: 'Machine', resources: [NOTES], metadata: { grant_types, redirect_uris: [CALLBACK] } },
    by,
  );
  if (created.kind !== 'created') throw new Error(JSON.stringify(created));
  machine = { id: 'machine', secret: created.secret! };
  const signs = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } } as const;
  await clients.create(
    { id: 'signer', name: 'Signer', metadata: { grant_types, redirect_uris: [CALLBACK], ...signs } },
    by,
  );
}, 240_000);
afterAll(() => whole.close(), 60_000);

const now = () => Math.floor(Date.now() / 1000);

async function failures(): Promise<Record<string, number>> {
  const text = await (await fetch(whole.metricsUrl)).text();
  const lines = text.matchAll(/^daemun_verifications_failed_total\{proof="(\w+)",cause="(\w+)"\} ([1-9]\d*)$/gm);
  return Object.fromEntries([...lines].map(([, proof, cause, count]) => [`${proof} ${cause}`, Number(count)]));
}

/** What is counted for this and nothing else. */
async function countedFor(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await failures();
  await act();
  for (let tries = 0; ; tries++) {
    const after = await failures();
    const more = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
    const grown = more.filter(([, count]) => count > 0);
    if (grown.length > 0 || tries >= 60) return Object.fromEntries(grown);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const tampered = (jwt: string) => {
  const [header, payload, signature] = jwt.split('.') as [string, string, string];
  return `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
};

function signed(
  claims: JWTPayload,
  { key = pair.privateKey, kid = 'k1', typ }: { key?: typeof pair.privateKey; kid?: string; typ?: string } = {},
) {
  return new SignJWT(JSON.parse(JSON.stringify(claims)) as JWTPayload)
    .setProtectedHeader({ alg: 'ES256', kid, ...(typ && { typ }) })
    .sign(key);
}

const assertion = (changes: object = {}, how = {}) =>
  signed(
    { iss: 'signer', sub: 'signer', aud: whole.issuer, jti: randomUUID(), iat: now(), exp: now() + 60, ...changes },
    how,
  );

const authenticate = async (client_assertion: string) =>
  (
    await post(`${whole.issuer}/token`, {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion,
    })
  ).status;

test('a client assertion that does not hold is counted by its cause', async () => {
  const once = await assertion();
  expect(await authenticate(once)).toBe(200);
  const cases: [cause: string, jwt: string][] = [
    ['replayed', once],
    ['expired', await assertion({ iat: now() - 600, exp: now() - 300 })],
    ['signature', tampered(await assertion())],
    ['signature', await assertion({}, { key: foreign.privateKey })],
    ['unknown_key', await assertion({}, { kid: 'k2' })],
    ['claims', await assertion({ aud: 'https://elsewhere.example' })],
    ['claims', await assertion({ jti: undefined })],
    ['form', 'no-jwt'],
    ['form', 'a.b.c'],
  ];
  const counted = [];
  for (const [, jwt] of cases) counted.push(await countedFor(() => authenticate(jwt)));
  expect(counted).toEqual(cases.map(([cause]) => ({ [`client_assertion ${cause}`]: 1 })));
}, 60_000);

test('a request object that does not hold is counted by its cause', async () => {
  const inside = (changes: object = {}) => ({
    ...{ iss: 'signer', aud: whole.issuer, iat: now(), exp: now() + 60, client_id: 'signer', response_type: 'code' },
    ...{
      scope: 'openid',
      redirect_uri: CALLBACK,
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
      ...changes,
    },
  });
  const cases: [cause: string, jwt: string][] = [
    ['expired', await signed(inside({ iat: now() - 600, exp: now() - 300 }))],
    ['signature', tampered(await signed(inside()))],
    ['unknown_key', await signed(inside(), { kid: 'k2' })],
    ['claims', await signed(inside({ aud: 'https://elsewhere.example' }))],
    ['form', 'no-jwt'],
  ];
  const counted = [];
  for (const [, request] of cases) {
    const browser = createBrowser(whole.issuer);
    const asked = { client_id: 'signer', response_type: 'code', scope: 'openid', redirect_uri: CALLBACK, request };
    counted.push(await countedFor(() => browser.open(`/authorize?${new URLSearchParams(asked)}`)));
  }
  expect(counted).toEqual(cases.map(([cause]) => ({ [`request_object ${cause}`]: 1 })));
}, 60_000);

test('an access token that does not hold is counted by its cause, at userinfo and when it is introspected', async () => {
  const issued = await post(
    `${whole.issuer}/token`,
    { grant_type: 'client_credentials', resource: NOTES, scope: 'run' },
    basic(machine),
  );
  const jwt = issued.json.access_token as string;
  expect(jwt.split('.')).toHaveLength(3);
  const claims = { iss: whole.issuer, aud: NOTES, sub: 'machine', client_id: 'machine', jti: randomUUID(), iat: now() };
  const cases: [cause: string, token: string][] = [
    // Whole and ours, and for somebody else.
    ['claims', jwt],
    ['signature', tampered(jwt)],
    ['expired', await signedByUs({ ...claims, exp: now() - 120 })],
    ['unknown_key', await signed({ ...claims, exp: now() + 60 }, { typ: 'at+jwt' })],
    ['form', 'a.b.c'],
    ['form', 'short'],
    ['unknown', randomBytes(32).toString('base64url')],
  ];
  const atUserinfo = [];
  const introspected = [];
  for (const [, token] of cases) {
    atUserinfo.push(
      await countedFor(() => fetch(`${whole.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } })),
    );
    introspected.push(await countedFor(() => post(`${whole.issuer}/introspect`, { token }, basic(machine))));
  }
  expect(atUserinfo).toEqual(cases.map(([cause]) => ({ [`access_token ${cause}`]: 1 })));
  // That one says nothing of the token: only that resource servers read it by themselves.
  expect(introspected).toEqual([{}, ...cases.slice(1).map(([cause]) => ({ [`introspected_token ${cause}`]: 1 }))]);
}, 60_000);

/** As the service itself signs. */
async function signedByUs(claims: JWTPayload): Promise<string> {
  const { services } = whole;
  const view = await openKeyView({
    ...services,
    store: services.keyStore,
    policy: services.keyPolicy,
    others: services.secretStore,
  });
  const { kid, sign } = view.current().keys.find((key) => key.sign && key.algorithm === 'ES256')!;
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${encode({ alg: 'ES256', typ: 'at+jwt', kid })}.${encode(claims)}`;
  const signature = await sign!(Buffer.from(input));
  await view.close();
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

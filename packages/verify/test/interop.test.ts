import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVerifier } from '@daemun/verify';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { JwtVerifier } from 'aws-jwt-verify';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { send } from './support/apps.ts';
import { AUDIENCE, claimsOf, createKey, encode, headerOf, signJwt } from './support/issuer.ts';

/** The judges know no clock but the real one. */
const now = Math.floor(Date.now() / 1000);
const key = createKey('RS256');
const stranger = createKey('RS256', key.kid);
const jwks = { keys: [key.jwk] };
let server: Server;
let issuer: string;

beforeAll(async () => {
  server = createServer((req, res) => {
    res.setHeader('content-type', 'application/json');
    const metadata = { issuer, jwks_uri: `${issuer}/jwks`, id_token_signing_alg_values_supported: ['RS256'] };
    res.end(JSON.stringify(req.url === '/jwks' ? jwks : metadata));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, signer = key): string {
  return signJwt(
    signer,
    { ...headerOf(key), ...header },
    claimsOf({ iss: issuer, iat: now, exp: now + 900, ...claims }),
  );
}

/** Each answers whether it would let the token in. */
const judges: [string, (jwt: string) => Promise<boolean>][] = [
  ['@daemun/verify', (jwt) => accepts(() => createVerifier({ issuer, audience: AUDIENCE }).verify(jwt))],
  [
    'express-oauth2-jwt-bearer',
    async (jwt) => {
      const app = express();
      app.use(auth({ issuerBaseURL: issuer, audience: AUDIENCE, strict: true }), (_, res) => res.sendStatus(200));
      return (await send(app, '/', [['Authorization', `Bearer ${jwt}`]])).status === 200;
    },
  ],
  [
    'aws-jwt-verify',
    (jwt) =>
      accepts(async () => {
        const verifier = JwtVerifier.create({
          issuer,
          audience: AUDIENCE,
          jwksUri: 'https://unused.example/jwks',
          graceSeconds: 15,
          customJwtCheck: ({ header }) => {
            if (header.typ !== 'at+jwt') throw new Error('typ');
          },
        });
        verifier.cacheJwks(jwks as never);
        await verifier.verify(jwt);
      }),
  ],
  [
    'jose',
    (jwt) =>
      accepts(() =>
        jwtVerify(jwt, createLocalJWKSet(jwks as never), {
          issuer,
          audience: AUDIENCE,
          typ: 'at+jwt',
          algorithms: ['RS256'],
          requiredClaims: ['exp'],
        }),
      ),
  ],
];

async function accepts(judge: () => Promise<unknown>): Promise<boolean> {
  return judge().then(
    () => true,
    () => false,
  );
}

describe.each(judges)('%s', (_, judge) => {
  test.each<[string, boolean, () => string]>([
    ['lets in a good token', true, () => token()],
    ['lets in one of several audiences', true, () => token({ aud: ['https://other.example', AUDIENCE] })],
    ['refuses an expired token', false, () => token({ iat: now - 7200, exp: now - 3600 })],
    ['refuses one not valid yet', false, () => token({ nbf: now + 3600 })],
    ['refuses another audience', false, () => token({ aud: 'https://other.example' })],
    ['refuses another issuer', false, () => token({ iss: 'https://evil.example' })],
    ['refuses an ID token', false, () => token({}, { typ: 'JWT' })],
    ['refuses a stranger’s signature under a known kid', false, () => token({}, {}, stranger)],
    [
      'refuses a changed payload',
      false,
      () =>
        token()
          .split('.')
          .with(1, encode(claimsOf({ iss: issuer, sub: 'x' })))
          .join('.'),
    ],
    ['refuses alg none', false, () => `${encode({ ...headerOf(key), alg: 'none' })}.${token().split('.')[1]}.`],
    ['refuses two parts', false, () => token().split('.').slice(0, 2).join('.')],
  ])('%s', async (_, expected, jwt) => {
    expect(await judge(jwt())).toBe(expected);
  });
});

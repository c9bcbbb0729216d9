import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import type { IdTokenFault } from './fake-upstream-faults.ts';
import { googleProfile } from './fake-upstream-google-profile.ts';
import type { Grant } from './fake-upstream-grants.ts';

const ISSUER = 'https://accounts.google.com';

interface SigningKey {
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

export interface FakeGoogleKeys {
  published: SigningKey;
  rotate(): void;
  jwks(): { keys: object[] };
}

export function createGoogleKeys(): FakeGoogleKeys {
  const keys: FakeGoogleKeys = {
    published: makeKey(),
    rotate() {
      keys.published = makeKey();
    },
    jwks: () => ({
      keys: [
        { ...keys.published.publicKey.export({ format: 'jwk' }), kid: keys.published.kid, use: 'sig', alg: 'RS256' },
      ],
    }),
  };
  return keys;
}

function makeKey(): SigningKey {
  return { kid: randomUUID().replaceAll('-', ''), ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
}

export interface IdTokenInput {
  clientId: string;
  grant: Grant;
  accessToken: string;
  keys: FakeGoogleKeys;
  /** The older spelling of the issuer. */
  shortIssuer: boolean;
  /** Members that an ID token lacks although its scopes were granted. */
  leaveOut: string[];
  fault?: IdTokenFault;
}

/** As Google makes them, or wrong in one way. */
export async function googleIdToken(input: IdTokenInput): Promise<unknown> {
  const { clientId, grant, accessToken, keys, fault } = input;
  const now = Math.floor(Date.now() / 1000);
  const claims: Record<string, unknown> = {
    iss: input.shortIssuer ? 'accounts.google.com' : ISSUER,
    azp: clientId,
    aud: clientId,
    at_hash: createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'),
    nonce: grant.params.get('nonce') ?? undefined,
    iat: now,
    exp: now + 3600,
    ...googleProfile(grant),
    ...(grant.params.get('claims')?.includes('auth_time') && { auth_time: grant.person.authTime }),
  };
  for (const name of input.leaveOut) delete claims[name];
  const wrong: Partial<Record<IdTokenFault, Record<string, unknown>>> = {
    wrong_issuer: { iss: 'https://accounts.google.com.evil.example' },
    wrong_audience: { aud: 'another-client' },
    more_audiences: { aud: [clientId, 'another-client'], azp: undefined },
    wrong_azp: { azp: 'another-client' },
    expired: { iat: now - 300, exp: now - 120 },
    from_the_future: { iat: now + 600 },
    issued_long_ago: { iat: now - 3500 },
    without_iat: { iat: undefined },
    without_exp: { exp: undefined },
    without_sub: { sub: undefined },
    empty_sub: { sub: '' },
    wrong_nonce: { nonce: 'of-another-attempt' },
    without_nonce: { nonce: undefined },
    wrong_at_hash: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' },
  };
  const payload = { ...claims, ...(fault && wrong[fault]) } as JWTPayload;
  const { kid, privateKey } = keys.published;
  switch (fault) {
    case 'missing':
      return undefined;
    case 'not_a_token':
      return 'not.a.token';
    case 'bad_signature':
      return sign(payload, 'RS256', kid, makeKey().privateKey);
    case 'unknown_kid':
      return sign(payload, 'RS256', randomUUID(), makeKey().privateKey);
    case 'alg_none':
      return new UnsecuredJWT(payload).encode();
    case 'alg_hs256':
      // The classic: the public key, which everybody has, as the secret.
      return sign(payload, 'HS256', kid, Buffer.from(keys.published.publicKey.export({ type: 'spki', format: 'pem' })));
    case 'alg_rs512':
      return sign(payload, 'RS512', kid, privateKey);
    default:
      return sign(payload, 'RS256', kid, privateKey);
  }
}

function sign(payload: JWTPayload, alg: string, kid: string, key: KeyObject | Uint8Array): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg, kid, typ: 'JWT' }).sign(key);
}

import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

export const ISSUER = 'https://id.example';
export const AUDIENCE = 'https://api.example';
/** A fixed moment for the clock of verifier and issuer alike, in seconds. */
export const NOW = 1_800_000_000;

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

export function createKey(alg = 'ES256', kid: string = randomUUID(), modulusLength = 2048): SigningKey {
  const { publicKey, privateKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : alg === 'EdDSA' || alg === 'Ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength });
  return { kid, alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

export function encode(part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

/** Signs what it is given, however wrong: strings go in as they are. */
export function signJwt(key: SigningKey, header: unknown, payload: unknown): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signatureOf(key, input).toString('base64url')}`;
}

export function signatureOf({ alg, privateKey }: SigningKey, input: string): Buffer {
  const data = Buffer.from(input);
  if (alg === 'ES256') return sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  if (alg === 'PS256') return sign('sha256', data, { key: privateKey, padding: 6, saltLength: 32 });
  return sign(alg === 'RS256' ? 'sha256' : null, data, privateKey);
}

export function headerOf(key: SigningKey): Record<string, unknown> {
  return { alg: key.alg, typ: 'at+jwt', kid: key.kid };
}

export function claimsOf(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    iss: ISSUER,
    sub: 'user-1',
    aud: AUDIENCE,
    client_id: 'web-app',
    iat: NOW,
    exp: NOW + 900,
    jti: randomUUID(),
    scope: 'read write',
    ...overrides,
  };
}

export function accessToken(key: SigningKey, overrides: Record<string, unknown> = {}): string {
  return signJwt(key, headerOf(key), claimsOf(overrides));
}

/** An issuer behind a `fetch`: what it was asked is counted, and it can go down. */
export class FakeIssuer {
  keys: SigningKey[];
  down = false;
  metadata: Record<string, unknown> = { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` };
  cacheControl: string | undefined;
  readonly requests: string[] = [];
  /** Every answer waits for it. */
  gate: Promise<void> = Promise.resolve();

  constructor(...keys: SigningKey[]) {
    this.keys = keys;
  }

  readonly fetch = async (url: string): Promise<Response> => {
    this.requests.push(new URL(url).pathname);
    await this.gate;
    if (this.down) throw new TypeError('fetch failed');
    if (url === `${ISSUER}/.well-known/openid-configuration`) return Response.json(this.metadata);
    const headers = this.cacheControl ? { 'cache-control': this.cacheControl } : undefined;
    return Response.json({ keys: this.keys.map(({ jwk }) => jwk) }, headers && { headers });
  };
}

/** A clock that moves when told. */
export class FakeClock {
  #milliseconds = NOW * 1000;
  readonly now = (): number => this.#milliseconds;
  advance(seconds: number): void {
    this.#milliseconds += seconds * 1000;
  }
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

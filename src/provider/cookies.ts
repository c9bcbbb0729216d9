import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

/** What the cookie library wants of a set of keys; the first signs, all verify. */
export interface CookieKeys {
  sign(data: string): string;
  verify(data: string, signature: string): boolean;
  /** The position of the key that made the signature, or -1. */
  index(data: string, signature: string): number;
}

/** HMAC-SHA-256 signatures; the library's own default is SHA-1. `keys` is asked at each cookie, for they change meanwhile. */
export function createCookieKeys(keys: () => readonly string[]): CookieKeys {
  if (!keys().length) throw new Error('no cookie key');
  const prepared = new WeakMap<readonly string[], KeyObject[]>();

  /** Node makes an object of a key's text each time, which takes longer than the signature. */
  function keyObjects(): KeyObject[] {
    const current = keys();
    let objects = prepared.get(current);
    if (!objects) {
      objects = current.map((key) => createSecretKey(key, 'utf8'));
      prepared.set(current, objects);
    }
    return objects;
  }

  const sign = (data: string, key: KeyObject) => createHmac('sha256', key).update(data).digest('base64url');
  const index = (data: string, signature: string) =>
    keyObjects().findIndex((key) => {
      const expected = Buffer.from(sign(data, key));
      const given = Buffer.from(signature);
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
  return {
    sign: (data) => sign(data, keyObjects()[0]!),
    verify: (data, signature) => index(data, signature) >= 0,
    index,
  };
}

/** Of the cookie by which a browser is known to be signed in. */
export function sessionCookieOf(issuer: string): string {
  return issuer.startsWith('https:') ? '__Host-daemun_session' : 'daemun_session';
}

/**
 * Names and attributes. On https a browser accepts the prefixed names only with Secure, and `__Host-` only for the whole origin
 * and without Domain, so no neighbouring host can plant a session (RFC 6265bis 4.1.3). The other two carry the path of their
 * flow and get `__Secure-`. Plain http exists on loopback only, where Secure cookies would be refused. S-151
 */
export function cookiesFor(issuer: string, keys: CookieKeys) {
  const secure = issuer.startsWith('https:');
  const options = { httpOnly: true, sameSite: 'lax', secure, signed: true } as const;
  return {
    names: {
      session: sessionCookieOf(issuer),
      interaction: secure ? '__Secure-daemun_interaction' : 'daemun_interaction',
      resume: secure ? '__Secure-daemun_resume' : 'daemun_resume',
    },
    long: { ...options },
    short: { ...options },
    keys,
  };
}

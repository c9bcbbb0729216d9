import { randomBytes, randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export const ISSUER = 'https://id.example';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A provider reduced to what a resource server sees of one: metadata, keys, tokens and what it says of API keys. */
export async function createProvider(audience: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  const metadata = {
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/jwks`,
    introspection_endpoint: `${ISSUER}/introspect`,
  };
  const provider = {
    down: false,
    /** The owners of keys; whoever is taken out has had their key revoked. */
    owners: new Map<string, string>(),
    fetch: async (url: string, init?: RequestInit): Promise<Response> => {
      if (provider.down) throw new TypeError('fetch failed');
      if (url === metadata.introspection_endpoint) return introspect(new URLSearchParams(init?.body as string));
      return Response.json(url.endsWith('/jwks') ? { keys: [jwk] } : metadata);
    },
    keyFor(subject: string): string {
      const body = `sk-${randomBytes(15).toString('hex')}`;
      const sum = crc32(body);
      const check = [5, 4, 3, 2, 1, 0].map((power) => ALPHABET.charAt(Math.floor(sum / 62 ** power) % 62)).join('');
      provider.owners.set(body + check, subject);
      return body + check;
    },
    tokenFor: (subject: string, lifetime = '15m') =>
      new SignJWT({ client_id: 'web-app' })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' })
        .setIssuer(ISSUER)
        .setAudience(audience)
        .setSubject(subject)
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime(lifetime)
        .sign(privateKey),
  };
  return provider;

  function introspect(form: URLSearchParams): Response {
    const sub = provider.owners.get(form.get('token') ?? '');
    if (sub === undefined) return Response.json({ active: false });
    const iat = Math.floor(Date.now() / 1000);
    return Response.json({
      active: true,
      iss: ISSUER,
      sub,
      aud: audience,
      iat,
      jti: randomUUID(),
      token_type: 'Bearer',
    });
  }
}

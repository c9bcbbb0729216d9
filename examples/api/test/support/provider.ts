import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export const ISSUER = 'https://id.example';

/** A provider reduced to what a resource server sees of one: metadata, keys and tokens. */
export async function createProvider(audience: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  const provider = {
    down: false,
    fetch: async (url: string): Promise<Response> => {
      if (provider.down) throw new TypeError('fetch failed');
      return Response.json(url.endsWith('/jwks') ? { keys: [jwk] } : { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` });
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
}

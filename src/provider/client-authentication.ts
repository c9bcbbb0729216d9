import { matchesClientSecret } from '../clients/client-secret.ts';
import { policyOf } from './client-policy.ts';
import { type Client, type Configuration, errors, Provider } from './engine.ts';
import { epochTime } from './lifetimes.ts';

/** An assertion is made for one call; one that lives longer is a password in disguise. */
const LONGEST_ASSERTION = 10 * 60;

/** As far as clocks may differ. */
const FARTHEST_AHEAD = 60;

/** Whether somebody dated this (`iat`) further ahead than clocks differ. The engine looks at `nbf` alone. S-044 */
export function isDatedAhead(issuedAt: unknown): boolean {
  return typeof issuedAt === 'number' && issuedAt > epochTime() + FARTHEST_AHEAD;
}

/**
 * Compares with the stored digests, several during a rotation, in constant time (S-045), and holds the client to the one
 * method it registered: the engine by itself takes a secret from the header and from the body alike (S-040).
 */
export function authenticateByDigest(provider: Provider): void {
  const digests = new WeakMap<Client, Buffer[]>();

  function digestsOf(client: Client): Buffer[] {
    const known = digests.get(client) ?? policyOf(client).secretDigests.map((digest) => Buffer.from(digest, 'base64'));
    digests.set(client, known);
    return known;
  }

  provider.Client.prototype.compareClientSecret = function (this: Client, presented: string): boolean {
    const used = Provider.ctx?.headers.authorization === undefined ? 'client_secret_post' : 'client_secret_basic';
    return matchesClientSecret(presented, digestsOf(this)) && used === this.clientAuthMethod;
  };
}

/**
 * What a client's signed assertion must say beyond its signature: addressed to this issuer and nobody else, and short-lived.
 * The engine alone would also take the URL of any of our endpoints, which an attacker's server could have asked for.
 * @see RFC 7523bis 3 (S-042)
 */
export const assertJwtClientAuthClaimsAndHeader: NonNullable<Configuration['assertJwtClientAuthClaimsAndHeader']> = (
  ctx,
  claims,
) => {
  const { aud, exp, iat } = claims as { aud?: unknown; exp?: unknown; iat?: unknown };
  if (aud !== ctx.oidc.issuer) {
    throw new errors.InvalidClientAuth('the audience (aud) must be the issuer, as a single string');
  }
  if (!Number.isSafeInteger(exp) || (exp as number) > epochTime() + LONGEST_ASSERTION) {
    throw new errors.InvalidClientAuth('the assertion must expire within ten minutes');
  }
  if (isDatedAhead(iat)) throw new errors.InvalidClientAuth('the assertion is dated in the future (iat)');
};

import { internalsOf, type Provider, type ServerChallenge } from './engine.ts';

/**
 * Accepts nonces of all these secrets and makes new ones with the first. The engine knows one secret only: around its daily change,
 * two nodes would refuse each other's nonces, and a client behind a balancer that tries again once would fail.
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-8
 */
export function acceptNoncesOf(provider: Provider, secrets: readonly Buffer[]): void {
  const internals = internalsOf(provider);
  const own = internals.DPoPNonces;
  if (!own) throw new Error('the engine has no place for DPoP nonces any more');
  const Challenge = own.constructor as new (secret: Buffer, info: string) => ServerChallenge;
  const all = secrets.map((secret) => new Challenge(secret, 'DPoP'));
  internals.DPoPNonces = {
    nextChallenge: () => all[0]!.nextChallenge(),
    checkChallenge: (nonce) => all.some((challenge) => challenge.checkChallenge(nonce)),
  };
}

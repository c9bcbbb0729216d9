/**
 * What a sign-in proved, from what was done. Further values stand here when further methods exist.
 * @see OpenID Connect Core 2 (`acr`), RFC 8176 (`amr`)
 */
export const ONE_FACTOR = 'urn:daemun:acr:one-factor';

/** Somebody else's word: the upstream said who it is, and nothing was proven here. */
export const FEDERATED = 'urn:daemun:acr:federated';

export const ACR_VALUES: readonly string[] = [ONE_FACTOR, FEDERATED];

/** No registered value says it; other providers write the same word. */
export const BY_UPSTREAM = 'fed';

/** The highest class these methods reach; none when nothing was proven. Never more than was done. S-018, S-163 */
export function acrOf(amr: readonly string[]): string | undefined {
  if (!amr.length) return undefined;
  return amr.every((method) => method === BY_UPSTREAM) ? FEDERATED : ONE_FACTOR;
}

/**
 * What a sign-in proved, from what was done. Further values stand here when further methods exist.
 * @see OpenID Connect Core 2 (`acr`), RFC 8176 (`amr`)
 */
export const ONE_FACTOR = 'urn:daemun:acr:one-factor';

export const ACR_VALUES: readonly string[] = [ONE_FACTOR];

/** The highest class these methods reach; none when nothing was proven. Never more than was done. S-018, S-163 */
export function acrOf(amr: readonly string[]): string | undefined {
  return amr.length ? ONE_FACTOR : undefined;
}

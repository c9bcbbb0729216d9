import type { Attempt } from './upstream.ts';

/** Seconds that clocks may differ. */
const LEEWAY = 60;

/**
 * Whether somebody proved themselves at the upstream longer ago than was asked. Nothing is known of those whose upstream does not
 * say when: docs/upstreams.md says which do. S-164
 * @see OpenID Connect Core 3.1.2.1 (max_age) and 3.1.3.7 (13)
 */
export function isStale(
  authTime: number | undefined,
  { request: { freshSignIn, maxAge }, startedAt }: Attempt,
  now = Date.now() / 1000,
): boolean {
  if (authTime === undefined) return false;
  if (freshSignIn && authTime < startedAt - LEEWAY) return true;
  return maxAge !== undefined && authTime < now - maxAge - LEEWAY;
}

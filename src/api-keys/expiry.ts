import type { Problem } from '../clients/problem.ts';
import type { ApiKey } from './api-key.ts';

/** Seconds. */
export interface LifetimePolicy {
  /** Of a key whose maker does not say. */
  lifetime: number;
  /** The longest that people may give. */
  longestLifetime: number;
}

export type Expiry = { kind: 'valid'; expiresAt: Date | null } | { kind: 'refused'; problems: Problem[] };

/** When a key ends. `isPrivileged`: an administrator has a hand in it, who alone makes keys that live longer, or for ever. */
export function expiryOf(
  asked: Date | null | undefined,
  isPrivileged: boolean,
  { lifetime, longestLifetime }: LifetimePolicy,
): Expiry {
  const now = Date.now();
  if (asked === undefined) return { kind: 'valid', expiresAt: new Date(now + 1000 * lifetime) };
  if (asked === null)
    return isPrivileged ? { kind: 'valid', expiresAt: null } : refused('can be never for administrators only');
  if (asked.getTime() <= now) return refused('must be in the future');
  // A moment more, for whoever counted from a clock that is ahead of ours.
  if (!isPrivileged && asked.getTime() > now + 1000 * longestLifetime + 60_000) {
    return refused(`must be within ${Math.floor(longestLifetime / 86_400)} days`);
  }
  return { kind: 'valid', expiresAt: asked };
}

/** Without a wish, when it ended before. What was replaced ends with its overlap: else every rotation would leave a key behind. */
export function expiryOfChanged(
  { expiresAt, rotatedTo }: ApiKey,
  asked: Date | null | undefined,
  isPrivileged: boolean,
  policy: LifetimePolicy,
): Expiry {
  if (asked === undefined) return { kind: 'valid', expiresAt: expiresAt ?? null };
  if (rotatedTo && expiresAt && (asked === null || asked > expiresAt)) {
    return refused('cannot be later: the key has a successor');
  }
  return expiryOf(asked, isPrivileged, policy);
}

/** Without a wish, as long again as the key before was made for. */
export function expiryOfSuccessor(
  before: ApiKey,
  asked: Date | null | undefined,
  isPrivileged: boolean,
  policy: LifetimePolicy,
): Expiry {
  if (asked !== undefined) return expiryOf(asked, isPrivileged, policy);
  if (!before.expiresAt) return expiryOf(isPrivileged ? null : undefined, isPrivileged, policy);
  const span = before.expiresAt.getTime() - before.createdAt.getTime();
  const longest = isPrivileged ? span : Math.min(span, 1000 * policy.longestLifetime);
  return { kind: 'valid', expiresAt: new Date(Date.now() + longest) };
}

function refused(message: string): Expiry {
  return { kind: 'refused', problems: [{ field: 'expiresAt', message }] };
}

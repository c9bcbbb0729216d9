/** How fast keys may change, in seconds. What follows from what is written in docs/keys.md. */
export interface KeyPolicy {
  /** What we tell caches of the key set. */
  jwksMaxAge: number;
  /** How old a relying party's copy of the key set may be all the same, in a change that nobody ordered in a hurry. */
  cacheSupport: number;
  /** Until every node has followed a change, or has stopped to sign. */
  propagation: number;
  /** How far clocks may be apart, with what relying parties tolerate. */
  clockSkew: number;
  /** How long an ID token may still name its person at the sign-out. */
  hintRetention: number;
  /** How long a key signs. */
  rotationPeriod: number;
}

const HOUR = 60 * 60;
const DAY = 24 * HOUR;

export const DEFAULT_KEY_POLICY: KeyPolicy = {
  jwksMaxAge: 300,
  cacheSupport: 24 * HOUR,
  propagation: 15,
  clockSkew: 60,
  hintRetention: 90 * DAY,
  rotationPeriod: 30 * DAY,
};

/** Nodes ask this often, or more often where changes have to be everywhere sooner: a revoked key ends within five seconds. */
const POLL_INTERVAL = 4;

/** From the publication of a key until every relying party has it. */
export function warmUp({ jwksMaxAge, cacheSupport, propagation, clockSkew }: KeyPolicy): number {
  return Math.max(jwksMaxAge, cacheSupport) + propagation + clockSkew;
}

/** From the moment a key got a successor until no node signs with it any more. */
export function lastSignature({ propagation, clockSkew }: KeyPolicy): number {
  return propagation + clockSkew;
}

/** From the moment a key got a successor until nothing that it signed is valid. */
export function retention({ propagation, clockSkew }: KeyPolicy, tokenLifetime: number): number {
  return propagation + tokenLifetime + clockSkew;
}

/** Seconds between two looks at the version of the key set. Two have to fit into the time in which a view may be used. */
export function pollInterval({ propagation }: KeyPolicy): number {
  return Math.min(POLL_INTERVAL, propagation / 3);
}

/** From the moment that a change says it happens at until it is committed. Longer than that, and it is tried again. */
export function commitBound({ propagation }: KeyPolicy): number {
  return Math.min(3, propagation / 5);
}

/** How long a node may sign after it began to ask and heard that nothing had changed. */
export function viewLifetime(policy: KeyPolicy): number {
  return policy.propagation - commitBound(policy);
}

/** What makes the policy unfit, in words for whoever configured it; `tokenLifetime` in seconds. */
export function checkPolicy(policy: KeyPolicy, tokenLifetime: number): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(policy)) {
    if (!Number.isFinite(value) || value < 0) problems.push(`${name} must be a number of seconds, not ${value}`);
  }
  if (problems.length > 0) return problems;
  if (policy.propagation === 0) problems.push('propagation must be more than nothing: no node could ever sign');
  // Else two keys that retire would be published at a time, and an order in between could not be carried out at once.
  const shortest = warmUp(policy) + retention(policy, tokenLifetime);
  if (policy.rotationPeriod < shortest) {
    problems.push(
      `rotationPeriod is ${policy.rotationPeriod} s; with the other times it must be at least ${shortest} s`,
    );
  }
  if (policy.hintRetention < tokenLifetime) {
    problems.push(`hintRetention is ${policy.hintRetention} s, shorter than tokens live: ${tokenLifetime} s`);
  }
  return problems;
}

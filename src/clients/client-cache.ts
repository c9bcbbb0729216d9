import type { RelyingParty } from './client.ts';

/** Milliseconds that a client may be used after it was read, on this node and every other. */
export const MAX_AGE = 250;
const MOST_CLIENTS = 10_000;

type Find = (id: string) => Promise<RelyingParty | undefined>;

export interface ClientCache {
  find(id: string): RelyingParty | undefined | Promise<RelyingParty | undefined>;
  /**
   * To be awaited between the commit of a change and saying that it is done: this node reads the client anew at once, and no
   * other node holds what it read before the commit any longer.
   */
  settle(id: string): Promise<void>;
}

export interface ClientCacheOptions {
  maxAge?: number;
  mostClients?: number;
  now?: () => number;
  pause?: (milliseconds: number) => Promise<void>;
}

interface Kept {
  party: RelyingParty;
  until: number;
}

/**
 * Keeps clients for a moment, because every request needs one and they hardly change. No node tells another about a change:
 * whoever changes a client waits for as long as any node may remember it. Until nothing changed, the same object is given out,
 * so that what is built from it can be kept with it.
 */
export function createClientCache(
  read: Find,
  {
    maxAge = MAX_AGE,
    mostClients = MOST_CLIENTS,
    now = () => performance.now(),
    pause = wait,
  }: ClientCacheOptions = {},
): ClientCache {
  const kept = new Map<string, Kept>();
  let changes = 0;

  async function readAnew(id: string): Promise<RelyingParty | undefined> {
    const until = now() + maxAge;
    const asOf = changes;
    const found = await read(id);
    // What was asked before a change of ours may be what was true before it.
    if (asOf !== changes) return found;
    const known = kept.get(id);
    kept.delete(id);
    if (!found) return undefined;
    const party = known && isSame(known.party, found) ? known.party : found;
    kept.set(id, { party, until });
    if (kept.size > mostClients) kept.delete(kept.keys().next().value!);
    return party;
  }

  return {
    find(id) {
      const known = kept.get(id);
      return known && now() < known.until ? known.party : readAnew(id);
    },

    async settle(id) {
      changes += 1;
      kept.delete(id);
      await pause(maxAge);
    },
  };
}

/** Every change of a client increases its version, except that its secrets also come to their end by themselves. */
function isSame(one: RelyingParty, other: RelyingParty): boolean {
  return (
    one.version === other.version &&
    one.secretDigests.length === other.secretDigests.length &&
    one.secretDigests.every((digest, index) => digest.equals(other.secretDigests[index]!))
  );
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

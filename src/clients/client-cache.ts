import { type Accelerator, createInProcessAccelerator } from '../platform/accelerator/accelerator.ts';
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

/**
 * Keeps clients for a moment, because every request needs one and they hardly change. Other nodes are told of a change, and most
 * hear it at once; but messages get lost, so whoever changes a client waits for as long as any node may remember it. For the same
 * reason nodes do not read clients from each other: then it would be their clocks that say how long. Until nothing changed, the
 * same object is given out, so that what is built from it can be kept with it.
 */
export function createClientCache(
  read: Find,
  { maxAge = MAX_AGE, mostClients = MOST_CLIENTS, now, pause = wait }: ClientCacheOptions = {},
  accelerator: Pick<Accelerator, 'cache'> = createInProcessAccelerator(),
): ClientCache {
  const cache = accelerator.cache<RelyingParty>({
    name: 'clients',
    level: 'process',
    maxAge,
    mostEntries: mostClients,
    read,
    isSame,
    ...(now && { now }),
  });
  return {
    find: cache.find,
    async settle(id) {
      await Promise.all([cache.forget(id), pause(maxAge)]);
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

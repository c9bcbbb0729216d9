import { unavailable } from '../platform/errors.ts';

/**
 * Keys that are looked for at once, in this process, whoever reported them. Each takes a connection for a moment, and then waits until
 * every node has forgotten the key.
 */
const AT_ONCE = 8;
/** What is more is sent away instead of being kept waiting. */
const MOST_WAITING = 400;

export type LookForEach = <Item>(items: Item[], look: (item: Item) => Promise<void>) => Promise<void>;

/** For what strangers make us look for: a crowd of them finds each other in the way, and nobody else. */
export function createFoundKeyQueue(): LookForEach {
  const waiting: (() => void)[] = [];
  let busy = 0;

  async function turn(): Promise<void> {
    if (busy < AT_ONCE) busy += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  }

  /** Whoever goes hands their place on. */
  function leave(): void {
    const next = waiting.shift();
    if (next) next();
    else busy -= 1;
  }

  return async function lookForEach(items, look) {
    if (waiting.length + items.length > MOST_WAITING) throw unavailable(5);
    await Promise.all(
      items.map(async (item) => {
        await turn();
        try {
          await look(item);
        } finally {
          leave();
        }
      }),
    );
  };
}

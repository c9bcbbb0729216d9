/** One subject that nodes tell each other of. */
export interface Topic {
  /** Heard on this node before it returns, and elsewhere soon or never. Resolves when it is on its way; never rejects. */
  publish(message: string): Promise<void>;
  /** Returns what ends it. */
  subscribe(hear: (message: string) => void): () => void;
}

export interface Topics {
  topic(name: string): Topic;
  /** Tells those who listen here. */
  deliver(name: string, message: string): void;
}

/** `send` takes a message to other nodes, where there are any. */
export function createLocalTopics(send?: (name: string, message: string) => Promise<void>): Topics {
  const listeners = new Map<string, Set<(message: string) => void>>();

  function deliver(name: string, message: string): void {
    for (const hear of listeners.get(name) ?? []) hear(message);
  }

  return {
    deliver,
    topic: (name) => ({
      async publish(message) {
        deliver(name, message);
        await send?.(name, message);
      },
      subscribe(hear) {
        const all = listeners.get(name) ?? new Set();
        listeners.set(name, all.add(hear));
        return () => void all.delete(hear);
      },
    }),
  };
}

/** Runs `work` after all earlier work for the same key in this process has ended. */
export type TakeTurns = <Result>(key: string, work: () => Promise<Result>) => Promise<Result>;

/**
 * For work that the database decides anyway: whoever waits here does not wait there, with a connection in hand. It saves the pool
 * from a crowd and decides nothing.
 * @param failTogether whoever waits behind work that failed fails with it, and does not try the same; otherwise it is their turn
 */
export function createTurns({ failTogether = false } = {}): TakeTurns {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const earlier = last.get(key);
    const turn = earlier ? earlier.then(work, failTogether ? undefined : work) : work();
    last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (last.get(key) === turn) last.delete(key);
    }
  };
}

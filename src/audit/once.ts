/** Runs `work` for the first who names an id; all who name the same one wait for that. */
export type Once = (id: string, work: () => Promise<void>) => Promise<void>;

const MOST_IDS = 1_000;

/** Remembers the newest ids, but not those whose work failed. For work that may be done again: it only need not. */
export function createOnce(mostIds = MOST_IDS): Once {
  const known = new Map<string, Promise<void>>();
  return (id, work) => {
    const earlier = known.get(id);
    if (earlier) return earlier;
    const doing = work().catch((error) => {
      known.delete(id);
      throw error;
    });
    known.set(id, doing);
    if (known.size > mostIds) known.delete(known.keys().next().value!);
    return doing;
  };
}

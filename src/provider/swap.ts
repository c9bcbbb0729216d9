/** A value that is replaced whole while others use it: whoever took the old one keeps it to the end of its work. */
export interface Swap<T> {
  current(): T;
  /** Puts the next value in place and gives back the one before. */
  swap(next: T): T;
}

export function createSwap<T>(initial: T): Swap<T> {
  let value = initial;
  return {
    current: () => value,
    swap(next) {
      const before = value;
      value = next;
      return before;
    },
  };
}

const FIRST = 5;
const LONGEST = 3600;

/** Seconds before the next try, twice as many each time and never more than an hour; up to half less, so that what failed together does not come back together. */
export function backOff(tries: number, random: () => number = Math.random): number {
  const most = Math.min(LONGEST, FIRST * 2 ** Math.min(tries - 1, 20));
  return most * (1 - random() / 2);
}

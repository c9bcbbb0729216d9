/** The same in order, so many at a time; nothing is no portion. */
export function portionsOf<Item>(all: readonly Item[], most: number): Item[][] {
  const portions: Item[][] = [];
  for (let at = 0; at < all.length; at += most) portions.push(all.slice(at, at + most));
  return portions;
}

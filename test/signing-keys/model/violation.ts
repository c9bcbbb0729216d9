import type { World } from './world.ts';
import { tell } from './world.ts';

/** Of KEYS.md; `H` is the retention of hints, which has no number there, and `erasure` that of private halves. */
export type Property =
  | 'K1'
  | 'K2'
  | 'K3'
  | 'K4'
  | 'K5'
  | 'K6'
  | 'K7'
  | 'K8'
  | 'K9'
  | 'K10'
  | 'K11'
  | 'K13'
  | 'K14'
  | 'H'
  | 'erasure';

export class Violation extends Error {
  readonly property: Property;

  constructor(property: Property, message: string) {
    super(`${property}: ${message}`);
    this.name = 'Violation';
    this.property = property;
  }
}

export function violated(world: World, property: Property, message: string): never {
  tell(world, `VIOLATION of ${property}: ${message}`);
  throw new Violation(property, message);
}

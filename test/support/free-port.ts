// @ts-expect-error A plain script without types.
import { freePort as find } from '../../scripts/free-port.mjs';

/** A port that was free a moment ago: addresses must be known before anything is built. */
export const freePort: () => Promise<number> = find;

import { randomBytes } from 'node:crypto';

/** What a stored hash says about how it was made. */
export type HashParameters =
  | { scheme: 'bcrypt'; cost: number }
  | { scheme: 'argon2id'; memory: number; passes: number; lanes: number };

/** `$2a$`, `$2b$` and PHP's `$2y$` are the same function; `$2x$` is the one with the sign bug and is nobody's. */
const BCRYPT = /^(\$2[aby]\$(\d\d))\$[./A-Za-z0-9]{53}$/;
const ARGON2ID = /^(\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2}))\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}$/;

/** An imported cost beyond these would be minutes of work for every guess. */
const HIGHEST_COST = 14;
const MOST_MEMORY = 262_144;
const MOST_PASSES = 16;

/** Undefined when it is no hash that we compute: then nothing matches it. */
export function parseHash(hash: string): { format: string; parameters: HashParameters } | undefined {
  const bcrypt = BCRYPT.exec(hash);
  if (bcrypt) {
    const cost = Number(bcrypt[2]);
    if (cost < 4 || cost > HIGHEST_COST) return undefined;
    return { format: bcrypt[1]!, parameters: { scheme: 'bcrypt', cost } };
  }
  const argon2 = ARGON2ID.exec(hash);
  if (!argon2) return undefined;
  const [memory, passes, lanes] = argon2.slice(2).map(Number) as [number, number, number];
  if (memory > MOST_MEMORY || passes > MOST_PASSES) return undefined;
  return { format: argon2[1]!, parameters: { scheme: 'argon2id', memory, passes, lanes } };
}

/** Finds the format in a stored hash: the part before the salt. PostgreSQL syntax. */
export const FORMAT_PATTERN = '^(\\$2[aby]\\$\\d\\d|\\$argon2id\\$v=19\\$[^$]+)';

/** A hash of this format that no password has; computing with it costs what a real one costs. Undefined for a foreign format. */
export function decoyOf(format: string): string | undefined {
  const hash = format.startsWith('$2')
    ? `${format}$${randomBytes(40).toString('base64').replaceAll('+', '.').slice(0, 53)}`
    : `${format}$${randomBytes(16).toString('base64').replaceAll('=', '')}$${randomBytes(32).toString('base64').replaceAll('=', '')}`;
  return parseHash(hash) && hash;
}

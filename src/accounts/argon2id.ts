import type { HashScheme } from './hash-scheme.ts';

/** OWASP's second profile: 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
export const ARGON2ID_FORMAT = '$argon2id$v=19$m=19456,t=2,p=1';

/** Loaded when the first such hash is made or met: most installations use bcrypt only. */
export const argon2id: HashScheme = {
  async hash(text) {
    const { hash } = await import('@node-rs/argon2');
    // 2 is argon2id; the package declares it as a const enum, which nothing can import.
    return hash(text, { ...PARAMETERS, algorithm: 2 as never });
  },
  async compare(text, stored) {
    const { verify } = await import('@node-rs/argon2');
    return verify(stored, text);
  },
};

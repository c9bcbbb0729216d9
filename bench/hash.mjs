import { hash as hashArgon2id, verify } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import { cpuMs } from './processes.mjs';

const PASSWORD = 'quiet harbour lantern orchard';
/** What CPU time of hashes is counted over, so that a tick of the clock that counts it is a small part. */
const MILLISECONDS = 800;

/**
 * One password comparison by bcrypt of a cost, or by argon2id as in `src/accounts/argon2id.ts`; as the operator chooses it by
 * `variables`.
 */
export const bcryptOf = (cost) => ({
  name: `bcrypt ${cost}`,
  variables: { PASSWORD_HASH: 'bcrypt', DAEMUN_BCRYPT_COST: String(cost) },
  prepare: async () => {
    const hash = await bcrypt.hash(PASSWORD, cost);
    return () => bcrypt.compare(PASSWORD, hash);
  },
});
export const argon2id = {
  name: 'argon2id 19 MiB',
  variables: { PASSWORD_HASH: 'argon2id' },
  prepare: async () => {
    const hash = await hashArgon2id(PASSWORD, { memoryCost: 19_456, timeCost: 2, parallelism: 1, algorithm: 2 });
    return () => verify(hash, PASSWORD);
  },
};

/** CPU milliseconds of one bare password comparison, at the concurrency that sign-ins are measured with. */
export async function measureHash({ prepare }, concurrency) {
  const compare = await prepare();
  const before = cpuMs([process.pid]);
  let done = 0;
  const isEnough = () => done >= 4 * concurrency && cpuMs([process.pid]) - before >= MILLISECONDS;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (; !isEnough(); done++) await compare();
    }),
  );
  return (cpuMs([process.pid]) - before) / done;
}

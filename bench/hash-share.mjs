import pg from 'pg';
import { argon2id, bcryptOf, measureHash } from './hash.mjs';

const BCRYPT = [bcryptOf(10), bcryptOf(12)];
/** As many as the service computes: more would wait, and on a busy machine be refused. */
const AT_ONCE = 2;
/** Sign-ins before the first that counts. With a dear hash there would be ten a second, and V8 still compiles after the thousandth. */
const WARM_UP = 3_000;
/** Ten sign-ins a second are to be enough to count. */
const SECONDS = 4;

/**
 * How much of a sign-in's CPU its hash is. What goes around the hash is measured in a service that has done it for a while: it signs people
 * in by the cheapest bcrypt until then, which a hash that is dearer than it would make itself then takes the place of.
 */
export async function measureHashShare({ withService, once, rounds, databaseUrl }) {
  if (!databaseUrl) throw new Error('the share of the hash is measured on PostgreSQL only');
  const database = new pg.Client(databaseUrl);
  await database.connect();
  try {
    const cheap = await hashesOf(database);
    const dear = [];
    for (const { variables } of BCRYPT) {
      // The first sign-in of everybody has their hash made as the service would make it.
      await withService(variables, () => signIn(once, { rate: 8, seconds: 2 }));
      dear.push(await hashesOf(database));
      await storeHashes(database, cheap);
    }
    const figures = await withService({}, async () => {
      await warmUp(once);
      const shares = {};
      for (const [index, hash] of BCRYPT.entries()) {
        await storeHashes(database, dear[index]);
        shares[hash.name] = await shareOf(hash, once, rounds);
      }
      return shares;
    });
    await storeHashes(database, cheap);
    figures[argon2id.name] = await withService(argon2id.variables, async () => {
      await warmUp(once);
      return shareOf(argon2id, once, rounds);
    });
    return figures;
  } finally {
    await database.end();
  }
}

/** Hash and sign-ins in turn, so that a busy neighbour hits them alike. The share is the median of pairs. */
async function shareOf(hash, once, rounds) {
  await signIn(once, { seconds: SECONDS });
  const pairs = [];
  for (let round = 0; round < rounds; round++) {
    const hashMs = await measureHash(hash, AT_ONCE);
    const { cpuMs } = await signIn(once, { seconds: SECONDS });
    pairs.push({ hashMs, cpuMs, share: hashMs / cpuMs });
  }
  return pairs.toSorted((one, other) => one.share - other.share)[Math.floor(rounds / 2)];
}

async function warmUp(once) {
  for (let done = 0; done < WARM_UP; ) done += (await signIn(once, { seconds: SECONDS })).iterations;
}

function signIn(once, options) {
  return once('password', 'service', { connections: options.rate ? 8 : AT_ONCE, ...options });
}

async function hashesOf(database) {
  return (await database.query('SELECT user_id, hash, pepper_id FROM password_credentials')).rows;
}

async function storeHashes(database, rows) {
  for (const { user_id, hash, pepper_id } of rows) {
    await database.query('UPDATE password_credentials SET hash = $2, pepper_id = $3 WHERE user_id = $1', [
      user_id,
      hash,
      pepper_id,
    ]);
  }
}

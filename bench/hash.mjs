import bcrypt from 'bcrypt';
import { cpuMs } from './processes.mjs';

const SAMPLES = 400;

/** CPU milliseconds of one bare password comparison, at the concurrency that sign-ins are measured with. */
export async function measureHash(cost, concurrency, samples = SAMPLES) {
  const hash = await bcrypt.hash('quiet harbour lantern orchard', cost);
  const before = cpuMs([process.pid]);
  let left = samples;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await bcrypt.compare('quiet harbour lantern orchard', hash);
    }),
  );
  return (cpuMs([process.pid]) - before) / samples;
}

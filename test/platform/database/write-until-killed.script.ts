// Writes numbers, one transaction each, and prints each number once the database has acknowledged it.
import { openPreparedDatabase } from '../../../src/platform/database/prepare.ts';

const [directory, round] = process.argv.slice(2) as [string, string];
process.stdout.write('opening\n');
const { pool } = await openPreparedDatabase({ location: { kind: 'embedded', directory }, production: false });
process.stdout.write('open\n');
// The service itself may not make tables.
await pool.query(
  'RESET ROLE; CREATE TABLE IF NOT EXISTS kept (round int, number int, filler text); SET ROLE daemun_app',
);
process.stdout.write('writing\n');
for (let number = 1; ; number++) {
  await pool.query('INSERT INTO kept VALUES ($1, $2, $3)', [Number(round), number, 'x'.repeat(number % 2000)]);
  process.stdout.write(`kept ${number}\n`);
}

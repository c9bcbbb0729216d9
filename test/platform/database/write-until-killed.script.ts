// Writes numbers, one transaction each, and prints each number once the database has acknowledged it.
import { openPreparedDatabase } from '../../../src/platform/database/prepare.ts';
import { UNFLUSHED } from '../../../src/platform/database/unflushed.ts';

const [directory, round, how] = process.argv.slice(2) as [string, string, 'unflushed' | undefined];
const returning = how === 'unflushed' ? `RETURNING ${UNFLUSHED}` : '';
process.stdout.write('opening\n');
const { pool } = await openPreparedDatabase({ location: { kind: 'embedded', directory }, production: false });
process.stdout.write('open\n');
// The service itself may not make tables.
await pool.query(
  'RESET ROLE; CREATE TABLE IF NOT EXISTS kept (round int, number int, filler text); SET ROLE daemun_app',
);
process.stdout.write('writing\n');
for (let number = 1; ; number++) {
  await pool.query(`INSERT INTO kept VALUES ($1, $2, $3) ${returning}`, [
    Number(round),
    number,
    'x'.repeat(number % 2000),
  ]);
  process.stdout.write(`kept ${number}\n`);
}

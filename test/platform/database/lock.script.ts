// Takes the lock of a folder, says so, and keeps it until killed.
import { lockDirectory } from '../../../src/platform/database/directory-lock.ts';

try {
  await lockDirectory(process.argv[2]!);
  process.stdout.write('holds\n');
} catch (error) {
  process.stdout.write(`refused ${(error as Error).message}\n`);
}
setInterval(() => {}, 1000);

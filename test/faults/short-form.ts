import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../scripts/faults.mjs', import.meta.url));
const server = process.env.TEST_POSTGRES_URL;

export const onPostgresql = Boolean(server);

export interface FaultResult {
  violations: string[];
  /** What was broken, and how many requests were judged. */
  seen: string;
  skipped?: string;
}

/** A few seconds of one scenario of `npm run faults`, on the database of this test run. Always the same choices. */
export async function runShort(scenario: string, options: string[] = []): Promise<FaultResult> {
  const args = [script, '--short', '--json', '--seed', '5', '--only', scenario, ...options];
  const where = server ? ['--postgres', server] : ['--embedded'];
  const { output, said } = await new Promise<{ output: string; said: string }>((resolve) => {
    execFile(process.execPath, [...args, ...where], { maxBuffer: 16 * 1024 * 1024 }, (_error, output, said) =>
      resolve({ output, said }),
    );
  });
  const result = (output && (JSON.parse(output) as Record<string, FaultResult>))[scenario as never];
  if (!result) throw new Error(`the scenario gave no result: ${said}`);
  return result;
}

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { DEFAULT_KEY_POLICY, lastSignature, retention, warmUp } from '../../src/signing-keys/timing.ts';
import { createEmptyDatabase } from '../support/database.ts';
import type { CrashOrder, CrashReport } from './crash.script.ts';

const policy = DEFAULT_KEY_POLICY;
const L = 3600;
const keyEncryptionKey = randomBytes(32).toString('base64');
const script = fileURLToPath(new URL('crash.script.ts', import.meta.url));
const loader = new URL('../support/typescript-loader.mjs', import.meta.url).href;

let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
let place: string;
beforeAll(async () => {
  database = await createEmptyDatabase();
  place = database?.url ?? mkdtempSync(join(tmpdir(), 'daemun-crash-'));
});
afterAll(async () => {
  await database?.close();
  if (!database) rmSync(place, { recursive: true, force: true });
});

interface Run {
  found: CrashReport;
  /** Undefined when it was killed. */
  left?: CrashReport;
}

async function run(order: Omit<CrashOrder, 'place' | 'keyEncryptionKey'>): Promise<Run> {
  const given: CrashOrder = { place, keyEncryptionKey, ...order };
  const child = spawn(process.execPath, ['--import', loader, script, JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const signal = await new Promise((resolve) => child.once('close', (_code, how) => resolve(how)));
  const read = (name: string) => {
    const line = output.split('\n').find((one) => one.startsWith(`${name} `));
    return line === undefined ? undefined : (JSON.parse(line.slice(name.length + 1)) as CrashReport);
  };
  const [found, left] = [read('found'), read('left')];
  if (!found || (!left && signal !== 'SIGKILL')) throw new Error(`the node ended by itself: ${output}`);
  return { found, ...(left && { left }) };
}

/** Of each version, what every node found. */
const known = new Map<number, string>();

/** A change happens whole, with its record, or not at all. */
function check({ version, keys, events }: CrashReport): void {
  const sorted = [...keys].sort((a, b) => (a.kid < b.kid ? -1 : 1));
  const whole = JSON.stringify({ sorted, events });
  expect(known.get(version) ?? whole).toBe(whole);
  known.set(version, whole);
  const count = (wanted: string) => keys.filter(({ state }) => state === wanted).length;
  expect(count('active')).toBe(keys.length > 0 ? 1 : 0);
  expect(count('published')).toBeLessThanOrEqual(1);
  for (const { state, hasPrivateHalf } of keys) {
    if (['published', 'active'].includes(state)) expect(hasPrivateHalf).toBe(true);
    if (['archived', 'destroyed', 'revoked'].includes(state)) expect(hasPrivateHalf).toBe(false);
  }
}

/** One node after the other dies, each some statements further, until one gets to the end. How many statements were outlived. */
async function killAtEvery(
  stride: number,
  order?: CrashOrder['order'],
): Promise<{ statements: number; left: CrashReport }> {
  for (let killAt = 1; ; killAt += stride) {
    const { found, left } = await run({ killAt, ...(order && { order }) });
    check(found);
    if (!left) continue;
    check(left);
    return { statements: killAt - 1, left };
  }
}

/** Opening an embedded database takes longer: there it is every statement of a rotation, and every fourth of the rest. */
const strideOf = (name: string) => (database || name === ROTATION ? 1 : 4);
const ROTATION = 'a rotation that is due';

const statesOf = ({ keys }: CrashReport) => keys.map(({ state }) => state).sort();

/** The whole life of a key. What is due next comes of what the nodes before left, and nobody helps. */
test.each<[string, number | undefined, 'rotate' | 'revoke' | undefined, string[]]>([
  ['the first start and the making of a spare', undefined, undefined, ['active', 'published']],
  [ROTATION, policy.rotationPeriod + 1, undefined, ['active', 'published', 'retiring']],
  ['the erasure of a private half', lastSignature(policy) + 1, undefined, ['active', 'published', 'retiring']],
  ['the end of a publication', retention(policy, L), undefined, ['active', 'archived', 'published']],
  ['an ordered rotation', warmUp(policy), 'rotate', ['active', 'archived', 'published', 'retiring']],
  ['a revocation', 1, 'revoke', ['active', 'archived', 'published', 'retiring', 'revoked']],
  [
    'a destruction',
    policy.hintRetention - retention(policy, L) - 1,
    undefined,
    ['active', 'archived', 'destroyed', 'published', 'retiring', 'revoked'],
  ],
])(
  'K10 killed at the statements of %s, the next node goes on',
  async (name, age, kind, expected) => {
    const { found: before } = age === undefined ? await run({ age: 0 }) : await run({ age });
    const kid = before.keys.find(({ state }) => state === 'active')?.kid;
    const { statements, left } = await killAtEvery(strideOf(name), kind && { kind, kid: kid! });
    expect(statements).toBeGreaterThan(kind || age === undefined ? 10 : 7);
    expect(statesOf(left)).toEqual(expected);
    expect(left.due).toBe(false);
    const active = left.keys.find(({ state }) => state === 'active');
    if (kind) expect(active?.kid).not.toBe(kid);
  },
  600_000,
);

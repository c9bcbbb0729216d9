import type { KeyEncryption } from './envelope.ts';
import { KeyEncryptionError } from './key-encryption.ts';
import type { Change } from './key-record.ts';
import type { StoredKey } from './key-rows.ts';
import { isSpare } from './life-cycle.ts';
import { createPrivateHalves, type Opened } from './private-halves.ts';

/** What came of trying out those that may sign next. */
export interface SpareTests {
  /** Nobody can sign with them: their key-encryption key is here, and it does not help. */
  unfit: ReadonlySet<string>;
  /**
   * @throws KeyEncryptionError when one begins to sign that only another node can try: that node is to decide
   * @throws Error for `tryAgain` when one begins to sign whose row is not the one that was tried
   */
  assertPassed(change: Change, rows: readonly StoredKey[]): void;
}

/** Each time anew: a row may have been damaged since it was opened. */
export async function testSpares(keys: readonly StoredKey[], keyEncryption: KeyEncryption): Promise<SpareTests> {
  const halves = createPrivateHalves(keyEncryption);
  const results = new Map<string, { row: StoredKey; opened: Opened }>();
  await Promise.all(
    keys.filter(isSpare).map(async (row) => void results.set(row.kid, { row, opened: await halves.open(row) })),
  );
  const unfit = [...results].filter(([, { opened }]) => 'problem' in opened && !opened.isLockedOut);
  return {
    unfit: new Set(unfit.map(([kid]) => kid)),
    assertPassed(change, rows) {
      const before = new Map(rows.map((row) => [row.kid, row]));
      for (const { kid, state } of change.keys) {
        const row = before.get(kid);
        if (state !== 'active' || !row || row.state === 'active') continue;
        const result = results.get(kid);
        if (!result || !isSame(result.row, row)) throw untried(kid);
        if (!('problem' in result.opened)) continue;
        throw result.opened.isLockedOut ? new KeyEncryptionError(result.opened.problem) : untried(kid);
      }
    },
  };
}

const MOST_ATTEMPTS = 3;

/** For work that tests spares and then finds other ones. */
export async function tryAgain<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code !== UNTRIED || attempt === MOST_ATTEMPTS) throw error;
    }
  }
}

const UNTRIED = 'spare_untried';

function untried(kid: string): Error {
  return Object.assign(new Error(`signing key ${kid} changed while it was tried`), { code: UNTRIED });
}

function isSame({ sealed: a }: StoredKey, { sealed: b }: StoredKey): boolean {
  return Boolean(a && b && a.ciphertext.equals(b.ciphertext) && a.wrappedDataKey.equals(b.wrappedDataKey));
}

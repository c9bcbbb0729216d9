import { createHmac } from 'node:crypto';
import { decoyOf } from './password-hash.ts';

const HOUR = 3_600_000;

export interface StoredFormat {
  format: string;
  count: number;
}

export interface DecoyHashes {
  /** Wait for it on every path alike. */
  ready(): Promise<void>;
  /** Always the same format for the same key. */
  pick(key: Buffer): string;
}

export interface DecoyHashesOptions {
  /** What is hashed with today. */
  format: string;
  secret: Buffer;
  /** How many accounts have a hash of which format. */
  countFormats(): Promise<StoredFormat[]>;
}

/**
 * Hashes for whoever does not exist or has no password, so that an answer costs the same work. While accounts still have hashes of an
 * older scheme or cost, as many of the unknown logins cost what those cost; as accounts are upgraded, they move along. S-122
 */
export function createDecoyHashes({ format, secret, countFormats }: DecoyHashesOptions): DecoyHashes {
  const current = decoyOf(format)!;
  let shares: { decoy: string; upTo: number }[] = [];
  let loading: Promise<void> | undefined;
  let loadedAt = Number.NEGATIVE_INFINITY;

  async function load(): Promise<void> {
    const formats = await countFormats();
    const total = formats.reduce((sum, { count }) => sum + count, 0);
    const older = formats.filter((stored) => stored.format !== format).sort((a, b) => (a.format < b.format ? -1 : 1));
    let upTo = 0;
    shares = older.flatMap(({ format, count }) => {
      const decoy = decoyOf(format);
      upTo += count / total;
      return decoy ? [{ decoy, upTo }] : [];
    });
    loadedAt = performance.now();
  }

  return {
    async ready() {
      if (performance.now() - loadedAt < HOUR) return;
      loading ??= load().finally(() => {
        loading = undefined;
      });
      // Only the first sign-in of a process waits; later ones use what was known an hour ago.
      if (loadedAt === Number.NEGATIVE_INFINITY) await loading;
      else loading.catch(() => {});
    },
    pick(key) {
      const digest = createHmac('sha256', secret).update('decoy:').update(key).digest();
      const point = digest.readUInt32BE() / 2 ** 32;
      return shares.find(({ upTo }) => point < upTo)?.decoy ?? current;
    },
  };
}

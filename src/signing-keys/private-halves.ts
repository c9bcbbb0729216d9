import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { KeyEncryption } from './envelope.ts';
import { assertSigns } from './key-pair.ts';
import type { StoredKey } from './key-rows.ts';
import { openRow } from './sealed-store.ts';
import { signingKeyIdentity } from './sealed-table.ts';

/** Why a private half cannot be used: the message is for the operator. `isLockedOut`: elsewhere it may be used all the same. */
export type Opened = { privateKey: KeyObject } | { problem: string; isLockedOut?: boolean; cause?: unknown };

export type PrivateHalves = ReturnType<typeof createPrivateHalves>;

/** Opens private halves and tries them out, each once. They are nowhere else, and cannot be exported from where they are used. */
export function createPrivateHalves(keyEncryption: KeyEncryption) {
  const opened = new Map<string, Promise<Opened>>();

  /** Which of these rows need a key-encryption key that is not here. Who opened them before goes on until its end. */
  function lockedOut(keys: readonly StoredKey[]): string[] {
    const here = keyEncryption.kekIds;
    return keys
      .filter(({ sealed }) => sealed && !here.includes(sealed.kekId))
      .map(
        ({ kid, sealed }) =>
          `Signing key ${kid} is sealed under key-encryption key ${sealed?.kekId}, and here is ${here.join(', ')}. ` +
          'Give that key too in KEY_ENCRYPTION_KEY.',
      );
  }

  async function open(key: StoredKey): Promise<Opened> {
    const { kid, algorithm, publicJwk, sealed } = key;
    const name = `Signing key ${kid}`;
    if (!sealed) return { problem: `${name} has no private half. Restore it from a backup, or revoke it.` };
    const [problem] = lockedOut([key]);
    if (problem !== undefined) return { problem, isLockedOut: true };
    try {
      const privateKey = openRow(name, () => readPrivateKey(keyEncryption.open(sealed, signingKeyIdentity(kid))));
      await assertSigns({ kid, algorithm, publicJwk, privateKey }).catch((cause) => {
        throw new Error(
          `${name} in the database does not sign what its public half verifies. Restore it from a backup.`,
          {
            cause,
          },
        );
      });
      return { privateKey };
    } catch (cause) {
      return { problem: (cause as Error).message, cause };
    }
  }

  return {
    lockedOut,
    /** What could not be opened is tried again the next time. */
    async open(key: StoredKey): Promise<Opened> {
      const known = opened.get(key.kid) ?? open(key);
      opened.set(key.kid, known);
      const result = await known;
      if ('problem' in result) opened.delete(key.kid);
      return result;
    },
    /** Lets go of all others. */
    keep(kids: ReadonlySet<string>): void {
      for (const kid of opened.keys()) if (!kids.has(kid)) opened.delete(kid);
    },
  };
}

/** PKCS#8 in DER; a JWK from those who started before. */
function readPrivateKey(plain: Buffer): KeyObject {
  const isJwk = plain[0] === '{'.charCodeAt(0);
  return isJwk
    ? createPrivateKey({ key: JSON.parse(plain.toString()), format: 'jwk' })
    : createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
}

import { unavailable } from '../platform/errors.ts';
import { viewOf } from './key-record.ts';
import type { StoredKey, StoredKeys } from './key-rows.ts';
import { type PublishedKey, publishedKeyOf, type SigningKeySet, signingKeyOf } from './key-set.ts';
import type { Opened, PrivateHalves } from './private-halves.ts';

/** What these rows are good for on this node. */
export interface UsableKeys {
  set: SigningKeySet;
  /** Of keys that sign. */
  problems: string[];
  /** Rows that are left out, and why: the others are served all the same. */
  leftOut: string[];
}

export async function usableKeys(stored: StoredKeys, halves: PrivateHalves): Promise<UsableKeys> {
  const roles = viewOf(stored.keys);
  const rows = new Map(stored.keys.map((key) => [key.kid, key]));
  const signers = new Set(roles.signers.values());
  const [problems, leftOut]: [string[], string[]] = [[], []];

  async function publishedKey(kid: string): Promise<PublishedKey[]> {
    const row = rows.get(kid)!;
    const published = readable(row);
    if (!signers.has(kid)) return published;
    const opened = await halves.open(row);
    if ('privateKey' in opened && published.length > 0) {
      return [signingKeyOf({ ...row, privateKey: opened.privateKey })];
    }
    problems.push(...('problem' in opened ? [opened.problem] : leftOut.filter((text) => text.includes(kid))));
    return published.map((key) => ({ ...key, sign: failing(opened) }));
  }

  function readable(row: StoredKey): PublishedKey[] {
    try {
      return [publishedKeyOf(row)];
    } catch {
      leftOut.push(
        `Signing key ${row.kid} in the database has a public half that is not one of ${row.algorithm}. ` +
          'Restore it from a backup, or revoke it.',
      );
      return [];
    }
  }

  const keys = (await Promise.all(roles.jwks.map(publishedKey))).flat();
  // A key that retires signs nothing here any more: what began before has what it needs.
  halves.keep(
    new Set(stored.keys.flatMap(({ kid, state }) => (state === 'active' || state === 'published' ? [kid] : []))),
  );
  return {
    set: { version: stored.version, keys, hints: roles.hints.flatMap((kid) => readable(rows.get(kid)!)) },
    problems,
    leftOut,
  };
}

function failing(opened: Opened): PublishedKey['sign'] & {} {
  return () => {
    throw unavailable(5, new Error(...problemsOf([opened])));
  };
}

export function problemsOf(results: readonly Opened[]): string[] {
  return results.flatMap((result) => ('problem' in result ? [result.problem] : []));
}

import type { Transaction } from '../audit/audit.ts';
import type { Account } from './account.ts';
import { administratorExists, readAccount } from './accounts.store.ts';
import { digestOfOneTimeToken, generateOneTimeToken, type OneTimeToken } from './one-time-token.ts';

export type Purpose = 'setup' | 'set_password';

export interface OneTimeLink {
  token: OneTimeToken;
  expiresAt: Date;
}

export interface NewLink {
  purpose: Purpose;
  userId?: string | null;
  /** Seconds. */
  lifetime: number;
  /** How many older ones for the same thing stay good. */
  keep?: number;
}

/** Makes a link, and voids older ones for the same thing. The database's clock says when it ends. */
export async function replaceLinks(
  tx: Transaction,
  { purpose, userId = null, lifetime, keep = 0 }: NewLink,
): Promise<OneTimeLink> {
  await voidLinks(tx, { purpose, userId, keep });
  const token = generateOneTimeToken();
  const [row] = await tx.$queryRaw<{ expiresAt: Date }[]>`
    INSERT INTO one_time_links (digest, purpose, user_id, expires_at)
    VALUES (${digestOfOneTimeToken(token)}, ${purpose}::one_time_link_purpose, ${userId}::uuid,
      now() + ${lifetime}::int * interval '1 second')
    RETURNING expires_at AS "expiresAt"`;
  return { token, expiresAt: row!.expiresAt };
}

export async function voidLinks(
  tx: Transaction,
  { purpose, userId = null, keep = 0 }: Omit<NewLink, 'lifetime'>,
): Promise<void> {
  const kept = await tx.oneTimeLink.findMany({
    where: { purpose, userId, consumedAt: null },
    orderBy: { createdAt: 'desc' },
    take: keep,
    select: { digest: true },
  });
  const digest = { notIn: kept.map((link) => link.digest) };
  await tx.oneTimeLink.deleteMany({ where: { purpose, userId, consumedAt: null, digest } });
}

/** What a link is good for now; looking does not spend it. */
export async function readLink(
  tx: Transaction,
  token: OneTimeToken,
): Promise<{ purpose: Purpose; account?: Account } | undefined> {
  const [row] = await tx.$queryRaw<{ purpose: Purpose; userId: string | null }[]>`
    SELECT purpose::text AS purpose, user_id AS "userId" FROM one_time_links
    WHERE digest = ${digestOfOneTimeToken(token)} AND consumed_at IS NULL AND expires_at > now()`;
  if (!row) return undefined;
  if (row.purpose === 'setup') return (await administratorExists(tx)) ? undefined : { purpose: 'setup' };
  const account = await readAccount(tx, row.userId!);
  return account?.state === 'active' ? { purpose: row.purpose, account } : undefined;
}

/** Spends the link: whoever else tries at the same moment waits, and finds it spent once this transaction is committed. */
export async function consumeLink(
  tx: Transaction,
  token: OneTimeToken,
  purpose: Purpose,
): Promise<{ userId: string | null } | undefined> {
  const [row] = await tx.$queryRaw<{ userId: string | null }[]>`
    UPDATE one_time_links SET consumed_at = now()
    WHERE digest = ${digestOfOneTimeToken(token)} AND purpose = ${purpose}::one_time_link_purpose
      AND consumed_at IS NULL AND expires_at > now()
    RETURNING user_id AS "userId"`;
  return row;
}

import type { Pool } from 'pg';
import type { AuditContext } from '../audit/audit.ts';
import { OperatorError } from '../platform/operator-error.ts';
import type { KeyStore } from './key-store.ts';

export interface ClaimOptions {
  database: { pool: Pick<Pool, 'query'> };
  issuer: string;
  production: boolean;
  logger: { warn(text: string): void };
}

/**
 * Keys sign for one issuer: a copy of a database that serves as another one would sign with the keys of the first. The first who
 * serves writes its name down.
 * @throws OperatorError in production, when it is another one's. Elsewhere issuers come and go with ports, and it is only said.
 */
export async function claimKeys({ database, issuer, production, logger }: ClaimOptions): Promise<void> {
  const owner = await issuerOf(database.pool);
  if (owner === issuer) return;
  if (owner !== undefined && production) {
    throw new OperatorError(
      `The signing keys in this database are those of ${owner}, and ISSUER is ${issuer}: two issuers never share keys. If this is a ` +
        `copy, or ${owner} is no more, stop every node on this database and run \`daemun keys move\`, which revokes them and makes others. Nothing was changed.`,
    );
  }
  if (owner !== undefined) logger.warn(`The signing keys were those of ${owner}; they go on as those of ${issuer}.`);
  await setIssuer(database.pool, issuer);
}

/** Ends all keys, which were another issuer's, and makes those of this one. Returns whose they were. */
export async function moveKeys(
  { database, keyStore, issuer }: Pick<ClaimOptions, 'database' | 'issuer'> & { keyStore: KeyStore },
  by: AuditContext,
): Promise<{ from?: string; revoked: string[] }> {
  const from = await issuerOf(database.pool);
  if (from === issuer) return { from, revoked: [] };
  const { keys } = await keyStore.list();
  const living = keys.filter(({ state }) => state !== 'revoked' && state !== 'destroyed');
  // What signs comes last: what takes its place is made after the spare is gone.
  const order = [
    ...living.filter(({ state }) => state !== 'active'),
    ...living.filter(({ state }) => state === 'active'),
  ];
  for (const { kid } of order) await keyStore.revoke({ kid, reason: `the issuer is ${issuer} now` }, by);
  await setIssuer(database.pool, issuer);
  return { ...(from !== undefined && { from }), revoked: order.map(({ kid }) => kid) };
}

async function issuerOf(pool: Pick<Pool, 'query'>): Promise<string | undefined> {
  const { rows } = await pool.query<{ issuer: string | null }>('SELECT issuer FROM key_set_version WHERE id = 1');
  return rows[0]?.issuer ?? undefined;
}

async function setIssuer(pool: Pick<Pool, 'query'>, issuer: string): Promise<void> {
  await pool.query('UPDATE key_set_version SET issuer = $1 WHERE id = 1', [issuer]);
}

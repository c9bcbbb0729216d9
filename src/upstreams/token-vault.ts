import type { Pool } from 'pg';
import { preparedStatement } from '../audit/prepared-statement.ts';
import type { UpstreamTokens } from './upstream.ts';

/** As the key-encryption key of `signing-keys` does it. `identity` is bound into the ciphertext as associated data. */
export interface TokenEncryption {
  seal(plain: Buffer, identity: string): SealedTokens;
  /** @throws when it was altered or comes from another row */
  open(sealed: SealedTokens, identity: string): Buffer;
}

interface SealedTokens {
  ciphertext: Buffer;
  wrappedDataKey: Buffer;
  kekId: string;
}

export interface TokenOwner {
  provider: string;
  subject: string;
}

/** Upstreams' tokens, where they are kept at all: without the key-encryption key nobody can use one. S-099 */
export interface TokenVault {
  /**
   * In place of those kept before, except that a refresh token stays until there is another: providers hand one out at the first
   * consent only. False when nobody here has this identity.
   */
  keep(owner: TokenOwner, tokens: UpstreamTokens): Promise<boolean>;
  /** @throws when the row was altered or comes from another owner's */
  read(owner: TokenOwner): Promise<UpstreamTokens | undefined>;
  remove(owner: TokenOwner): Promise<void>;
}

const KEEP = `INSERT INTO upstream_tokens (provider, subject, sealed, wrapped_data_key, kek_id)
  SELECT provider, subject, $3::bytea, $4::bytea, $5::text FROM federated_identities WHERE provider = $1 AND subject = $2
  ON CONFLICT (provider, subject) DO UPDATE SET sealed = excluded.sealed, wrapped_data_key = excluded.wrapped_data_key,
    kek_id = excluded.kek_id, updated_at = now() RETURNING 1`;

const READ = `SELECT sealed AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId"
  FROM upstream_tokens WHERE provider = $1 AND subject = $2`;

export function createTokenVault({ pool, encryption }: { pool: Pool; encryption: TokenEncryption }): TokenVault {
  const keep = preparedStatement(pool, 'upstream_tokens.keep', KEEP);
  const read = preparedStatement<SealedTokens>(pool, 'upstream_tokens.read', READ);
  const remove = preparedStatement(
    pool,
    'upstream_tokens.remove',
    'DELETE FROM upstream_tokens WHERE provider = $1 AND subject = $2',
  );

  async function find(owner: TokenOwner): Promise<UpstreamTokens | undefined> {
    const [sealed] = await read([owner.provider, owner.subject]);
    return sealed && JSON.parse(encryption.open(sealed, identityOf(owner)).toString());
  }

  return {
    async keep(owner, tokens) {
      // What cannot be opened any more is of no use, and is no reason to keep somebody out.
      const before = tokens.refreshToken === undefined ? await find(owner).catch(() => undefined) : undefined;
      const all = { ...(before?.refreshToken && { refreshToken: before.refreshToken }), ...tokens };
      const sealed = encryption.seal(Buffer.from(JSON.stringify(all)), identityOf(owner));
      const values = [owner.provider, owner.subject, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId];
      return (await keep(values)).length === 1;
    },
    read: find,
    async remove({ provider, subject }) {
      await remove([provider, subject]);
    },
  };
}

/** A provider's name has no colon, so no two owners share one. */
function identityOf({ provider, subject }: TokenOwner): string {
  return `upstream:${provider}:${subject}`;
}

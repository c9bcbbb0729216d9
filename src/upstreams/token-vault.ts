import type { Pool } from 'pg';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
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
  /** For tokens of somebody who is nobody here yet: as text, to be stored elsewhere until they are. */
  seal(owner: TokenOwner, tokens: UpstreamTokens): string;
  /** Keeps what was sealed for this owner. False also when it was altered, or sealed for another. */
  keepSealed(owner: TokenOwner, sealed: string): Promise<boolean>;
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
    return sealed && open(owner, sealed);
  }

  const seal = (owner: TokenOwner, tokens: UpstreamTokens) =>
    encryption.seal(Buffer.from(JSON.stringify(tokens)), identityOf(owner));

  function open(owner: TokenOwner, sealed: SealedTokens): UpstreamTokens {
    return JSON.parse(encryption.open(sealed, identityOf(owner)).toString());
  }

  async function keepTokens(owner: TokenOwner, tokens: UpstreamTokens): Promise<boolean> {
    // What cannot be opened any more is of no use, and is no reason to keep somebody out.
    const before = tokens.refreshToken === undefined ? await find(owner).catch(() => undefined) : undefined;
    const all = { ...(before?.refreshToken && { refreshToken: before.refreshToken }), ...tokens };
    const sealed = seal(owner, all);
    const values = [owner.provider, owner.subject, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId];
    return (await keep(values)).length === 1;
  }

  /** Neither is what waited for too long for that. */
  function tryToOpen(owner: TokenOwner, text: string): UpstreamTokens | undefined {
    try {
      return open(owner, fromText(text));
    } catch {
      return undefined;
    }
  }

  return {
    keep: keepTokens,
    seal: (owner, tokens) => toText(seal(owner, tokens)),
    async keepSealed(owner, sealed) {
      const tokens = tryToOpen(owner, sealed);
      return tokens !== undefined && (await keepTokens(owner, tokens));
    },
    read: find,
    async remove({ provider, subject }) {
      await remove([provider, subject]);
    },
  };
}

function toText({ ciphertext, wrappedDataKey, kekId }: SealedTokens): string {
  return [ciphertext.toString('base64url'), wrappedDataKey.toString('base64url'), kekId].join('.');
}

/** The id of the key comes last, whatever it is made of. */
function fromText(text: string): SealedTokens {
  const [ciphertext = '', wrappedDataKey = '', ...kekId] = text.split('.');
  return {
    ciphertext: Buffer.from(ciphertext, 'base64url'),
    wrappedDataKey: Buffer.from(wrappedDataKey, 'base64url'),
    kekId: kekId.join('.'),
  };
}

/** Where they are kept, for whoever wraps the data keys of everything anew. */
export const UPSTREAM_TOKENS = {
  table: 'upstream_tokens',
  key: ['provider', 'subject'],
  ciphertext: 'sealed',
  identityOf: ([provider, subject]: readonly string[]) => identityOf({ provider: provider!, subject: subject! }),
} as const;

/** A provider's name has no colon, so no two owners share one. */
function identityOf({ provider, subject }: TokenOwner): string {
  return `upstream:${provider}:${subject}`;
}

import type { Pool } from 'pg';
import { accountAsJson } from '../accounts/account-json.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { binaryArray } from './artifact-arrays.ts';
import { prepared } from './artifact-statement.ts';

export interface StoredArtifact {
  payload: string;
  /** Seconds since 1970; null while it was not spent. */
  consumed: number | null;
  spentWithinGrace: boolean;
  /** The payloads of the live grant it belongs to and of the live session it is bound to: what the engine asks for next. */
  grant: string | null;
  session: string | null;
  /** The person behind a session or a token, as JSON. */
  account: string | null;
}

type Row = [place: string, payload: string, consumed: string | null, recent: string | null, ...(string | null)[]];

/**
 * What is revoked, expired, or under a grant that is revoked or gone is not there. So a grant's tombstone wins against
 * everything, also against a token that was stored at the same moment.
 * A session has a grant for each client; the one of the client that asks is meant.
 * NOTE the length check on what are digests anyway tells the planner to expect one row, and with that to use the index.
 */
const FIND = `
  SELECT i.place, a.payload, floor(extract(epoch FROM a.consumed_at)), a.consumed_at > now() - make_interval(secs => $2::int),
    g.payload, s.payload,
    CASE WHEN a.kind IN ('Session', 'Interaction', 'AuthorizationCode', 'RefreshToken', 'AccessToken')
      THEN ${accountAsJson('coalesce(g.account_id, a.account_id)')} END
  FROM unnest($1::bytea[], $3::text[]) WITH ORDINALITY AS i(id, client_id, place)
  JOIN protocol_artifacts a ON a.id = i.id
  LEFT JOIN protocol_artifacts g ON g.revoked_at IS NULL AND g.id = CASE WHEN i.client_id IS NULL THEN a.grant_id
    ELSE sha256(convert_to('Grant:' || (a.payload #>> ARRAY['authorizations', i.client_id, 'grantId']), 'UTF8')) END
  LEFT JOIN protocol_artifacts s ON s.uid = a.session_uid AND s.kind = 'Session' AND s.revoked_at IS NULL AND s.expires_at > now()
  WHERE octet_length(i.id) = 32 AND a.revoked_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > now())
    AND (a.grant_id IS NULL OR g.id IS NOT NULL)`;

const FIND_SESSIONS = `
  SELECT i.place, a.payload
  FROM unnest($1::text[]) WITH ORDINALITY AS i(uid, place)
  JOIN protocol_artifacts a ON a.uid = i.uid
  WHERE length(i.uid) > 0 AND a.kind = 'Session' AND a.revoked_at IS NULL AND a.expires_at > now()
  ORDER BY a.expires_at`;

const FIND_SPENT = `
  SELECT i.place
  FROM unnest($1::bytea[]) WITH ORDINALITY AS i(id, place)
  JOIN protocol_artifacts a ON a.id = i.id
  WHERE octet_length(i.id) = 32 AND (a.consumed_at IS NOT NULL OR a.revoked_at IS NOT NULL)`;

/** What to find. */
export interface Sought {
  id: Buffer;
  /** Of a session: whose grant is wanted with it. */
  clientId?: string;
}

export interface ArtifactReads {
  find(sought: Sought): Promise<StoredArtifact | undefined>;
  findSession(uid: string): Promise<string | undefined>;
  isSpent(id: Buffer): Promise<boolean>;
}

export function createArtifactReads(pool: Pool, refreshGrace: number): ArtifactReads {
  const findAll = prepared<Row>(pool, 'artifacts.find', FIND);
  const findSessions = prepared<[place: string, payload: string]>(pool, 'artifacts.find-session', FIND_SESSIONS);
  const findSpent = prepared<[place: string]>(pool, 'artifacts.find-spent', FIND_SPENT);

  return {
    find: createStatementBatch<Sought, StoredArtifact | undefined>({
      async send(sought) {
        const found = new Array<StoredArtifact | undefined>(sought.length);
        for (const [place, payload, consumed, recent, grant, session, account] of await findAll([
          binaryArray(
            'bytea',
            sought.map(({ id }) => id),
          ),
          refreshGrace,
          binaryArray(
            'text',
            sought.map(({ clientId = null }) => clientId),
          ),
        ])) {
          found[Number(place) - 1] = {
            payload,
            consumed: consumed === null ? null : Number(consumed),
            spentWithinGrace: recent === 't',
            grant: grant ?? null,
            session: session ?? null,
            account: account ?? null,
          };
        }
        return found;
      },
    }),
    findSession: createStatementBatch<string, string | undefined>({
      async send(uids) {
        const found = new Array<string | undefined>(uids.length);
        // The newest comes last and stays.
        for (const [place, payload] of await findSessions([binaryArray('text', uids)]))
          found[Number(place) - 1] = payload;
        return found;
      },
    }),
    isSpent: createStatementBatch<Buffer, boolean>({
      async send(ids) {
        const spent = new Array<boolean>(ids.length).fill(false);
        for (const [place] of await findSpent([binaryArray('bytea', ids)])) spent[Number(place) - 1] = true;
        return spent;
      },
    }),
  };
}

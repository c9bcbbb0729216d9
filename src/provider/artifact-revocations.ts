import type { Pool } from 'pg';
import { endPlaced } from '../accounts/sessions.store.ts';
import { type AuditRow, insertPlaced } from '../audit/audit.store.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { binaryArray, binaryIntegers } from './artifact-arrays.ts';
import { prepared } from './artifact-statement.ts';

/**
 * Ends what callers name, with its records: a record is stored if the thing that it is about ended by this statement, and names the
 * person and the client that the ended row names. So of many who end the same at once one is recorded, and a crash leaves both or
 * neither. S-175
 *
 * First sessions, then grants, whose tombstones alone make everything under them unusable, then tokens and the rows under grants: each
 * step waits for the one before by reading from it, so that rows are locked in the order of `revocation.ts`. Tokens are locked together
 * with what is under grants: a client that gives back two tokens of one grant at once would wait for itself otherwise.
 * NOTE the length checks tell the planner to expect one row, as in `artifact-write-statement.ts`.
 */
const END = `
  WITH left_list AS (
    ${endPlaced('unnest($1::text[], $2::int4[])')}),
  left_session AS (
    UPDATE protocol_artifacts a
    SET revoked_at = now(), payload = '{}', expires_at = least(a.expires_at, now() + interval '1 hour')
    FROM (
      SELECT s.id, e.place FROM unnest($1::text[], $2::int4[]) AS e(uid, place)
      JOIN protocol_artifacts s ON s.uid = e.uid
      WHERE length(e.uid) > 0 AND s.kind = 'Session' AND s.revoked_at IS NULL AND (SELECT count(*) FROM left_list) >= 0
      ORDER BY s.id FOR UPDATE OF s
    ) AS live
    WHERE a.id = live.id
    RETURNING live.place, a.account_id AS user_id),
  ended_grants AS (
    UPDATE protocol_artifacts a SET revoked_at = now()
    FROM (
      SELECT g.id, e.place FROM unnest($3::bytea[], $4::int4[]) AS e(id, place) JOIN protocol_artifacts g ON g.id = e.id
      WHERE octet_length(e.id) = 32 AND g.kind = 'Grant' AND g.revoked_at IS NULL
        AND (SELECT count(*) FROM left_session) >= 0
      ORDER BY g.id FOR UPDATE OF g
    ) AS live
    WHERE a.id = live.id
    RETURNING live.place, a.account_id AS user_id, a.client_id),
  ending AS (
    SELECT a.id FROM (
      SELECT e.id FROM unnest($5::bytea[]) AS e(id) WHERE octet_length(e.id) = 32
      UNION
      SELECT m.id FROM unnest($7::bytea[], $8::text[]) AS e(grant_id, kind)
        JOIN protocol_artifacts m ON m.grant_id = e.grant_id AND (e.kind IS NULL OR m.kind = e.kind)
      WHERE octet_length(e.grant_id) = 32) AS due
    JOIN protocol_artifacts a ON a.id = due.id
    WHERE (SELECT count(*) FROM ended_grants) >= 0
    ORDER BY a.id FOR UPDATE OF a),
  ended_tokens AS (
    DELETE FROM protocol_artifacts a USING unnest($5::bytea[], $6::int4[]) AS e(id, place)
    WHERE octet_length(e.id) = 32 AND a.id = e.id AND a.revoked_at IS NULL
      AND (SELECT count(*) FROM ending) >= 0
    RETURNING e.place, a.client_id),
  emptied AS (
    DELETE FROM protocol_artifacts WHERE id IN (SELECT id FROM ending) AND id <> ALL ($5::bytea[])),
  ended AS (
    SELECT place, max(user_id) AS user_id, NULL AS client_id FROM (
      SELECT place, user_id FROM left_list
      UNION ALL SELECT place, user_id FROM left_session WHERE user_id IS NOT NULL) AS left_by GROUP BY place
    UNION ALL SELECT place, user_id, client_id FROM ended_grants
    UNION ALL SELECT place, NULL, client_id FROM ended_tokens),
  recorded AS (${insertPlaced(
    `(SELECT json_agg(given.value::jsonb || jsonb_strip_nulls(jsonb_build_object('user_id', user_id, 'client_id', client_id)))
      FROM json_array_elements($9::json) AS given(value) JOIN ended ON ended.place = (given.value ->> 'place')::int)`,
    'true',
  )})
  SELECT place, user_id, client_id, place IN (SELECT place FROM left_session) FROM ended`;

const GRANT_OF = `
  SELECT encode(grant_id, 'hex') FROM protocol_artifacts WHERE id = $1::bytea AND grant_id IS NOT NULL`;

/** One thing that is to end: a session, a grant or a token. */
export interface End {
  /** By its uid, so under whatever id it is by now: the engine's session, and the entry in its person's list. */
  session?: string;
  grant?: Buffer;
  token?: Buffer;
  /** What is under a grant, of one kind or of all. */
  members?: { grantId: Buffer; kind: string | null };
  /** Stored if it ended by this. */
  records?: AuditRow[];
}

/** Whose it was, as far as its row said so; nothing where it had ended before. */
export type Ended = { userId: string | null; clientId: string | null } | undefined;

interface Outcome {
  ended: Ended;
  /** Whether the engine's session was there, under whatever id. */
  isSessionFound: boolean;
}

export interface ArtifactRevocations {
  /** All of it in one statement, or nothing. */
  end(ends: readonly End[]): Promise<Ended[]>;
  /** What a code or a token came from. */
  findGrant(id: Buffer): Promise<Buffer | undefined>;
}

/** Apart from the other writes: these lock rows that nobody named, and they are rare. */
export function createArtifactRevocations(pool: Pool): ArtifactRevocations {
  type Row = [place: string, userId: string | null, clientId: string | null, isFound: string];
  const endAll = prepared<Row>(pool, 'artifacts.end-all', END);
  const grantOf = prepared<[grantId: string]>(pool, 'artifacts.grant-of', GRANT_OF);

  const endTogether = createStatementBatch<readonly End[], Outcome[]>({
    // One session is two rows: of two who end it in one statement each might win one of them.
    keysOf: (ends) => ends.flatMap(({ session }) => session ?? []),
    async send(callers) {
      const ends = callers.flat();
      const outcomes = ends.map((): Outcome => ({ ended: undefined, isSessionFound: false }));
      for (const [place, userId, clientId, isFound] of await endAll(parametersOf(ends))) {
        outcomes[Number(place)] = { ended: { userId, clientId }, isSessionFound: isFound === 't' };
      }
      return callers.map((own) => outcomes.splice(0, own.length));
    },
  });

  return {
    async end(ends) {
      const outcomes = await endTogether(ends);
      // One that got a new id in this moment was waited for, but a statement sees no row that was not there when it began.
      const missed = ends.flatMap(({ session }, place) =>
        session === undefined || outcomes[place]!.isSessionFound ? [] : [{ session }],
      );
      if (missed.length > 0) await endTogether(missed);
      return outcomes.map(({ ended }) => ended);
    },

    findGrant: createStatementBatch<Buffer, Buffer | undefined>({
      maxItems: 1,
      async send([id]) {
        const [row] = await grantOf([id]);
        return [row && Buffer.from(row[0], 'hex')];
      },
    }),
  };
}

/** The place of each is where it is in the list. */
function parametersOf(ends: readonly End[]): unknown[] {
  const named = <Key extends 'session' | 'grant' | 'token'>(type: 'text' | 'bytea', key: Key) => {
    const found = ends.flatMap((end, place) => {
      const value = end[key];
      return value === undefined ? [] : [{ value, place }];
    });
    return [
      binaryArray(
        type,
        found.map(({ value }) => value),
      ),
      binaryIntegers(found.map(({ place }) => place)),
    ];
  };
  const members = ends.flatMap((end) => end.members ?? []);
  return [
    ...named('text', 'session'),
    ...named('bytea', 'grant'),
    ...named('bytea', 'token'),
    binaryArray(
      'bytea',
      members.map(({ grantId }) => grantId),
    ),
    binaryArray(
      'text',
      members.map(({ kind }) => kind),
    ),
    JSON.stringify(ends.flatMap(({ records = [] }, place) => records.map((record) => ({ ...record, place })))),
  ];
}

import { createHmac, createSecretKey } from 'node:crypto';
import type { Pool } from 'pg';
import type { PreparedEvent } from '../audit/audit.ts';
import { interactionExpired } from '../platform/errors.ts';
import { alreadySpent, cannotStore } from './adapter-errors.ts';
import { createAmendments } from './artifact-amendments.ts';
import { createFailureCount } from './artifact-attempts.ts';
import { createExpiredDeletion } from './artifact-clean-up.ts';
import { createArtifactClock } from './artifact-clock.ts';
import { createCodesUnderWay } from './artifact-codes.ts';
import {
  type Continued,
  createContinuations,
  type DescribeStart,
  isWithdrawn,
  withdrawAnswer,
} from './artifact-continuation.ts';
import { createEnds, type DescribeEnd, type EndRecord } from './artifact-ends.ts';
import { askingClient, foresee, isMereTouch, rememberSession, takeGrant, takeSession } from './artifact-foresight.ts';
import { digestOf } from './artifact-identity.ts';
import { createArtifactReads, type StoredArtifact } from './artifact-reads.ts';
import { type ArtifactRecord, accountOf, payloadOf, recordOf } from './artifact-record.ts';
import { type Collected, createTokenRequests, type DescribeTokens } from './artifact-token-request.ts';
import { createArtifactWrites } from './artifact-writes.ts';
import { type Adapter, type AdapterPayload, type EngineContext, Provider } from './engine.ts';
import { createRecentInteractions } from './recent-interactions.ts';

export interface ArtifactStore {
  /** Every model except Client, which is not an artifact. What the engine ends is stored with the record that `describe` gives. */
  adapterFor(model: string, describe?: DescribeEnd): Adapter;
  /** Runs one answer of the token endpoint, and puts what it spends and stores, and its record, into one statement at its end. */
  tokenRequest(ctx: EngineContext, answer: () => Promise<void>, describe?: DescribeTokens): Promise<void>;
  /** Runs one answer to a browser. What follows from a sign-in is one statement, with the session that `describe` tells of. */
  browserRequest(ctx: EngineContext, answer: () => Promise<void>, describe: DescribeStart): Promise<void>;
  /** What to record of the interaction's result that is this very object: when it is saved, both are stored or neither. */
  recordWith(result: object, event: EndRecord): void;
  /** The value that follows a refresh token: always the same one, on every node, with nothing stored. */
  successorOf(refreshToken: string): string;
  /** Stores a replay mark for `lifetime` seconds. True for exactly one caller: the first. */
  claimOnce(id: string, payload: AdapterPayload, lifetime: number): Promise<boolean>;
  /** Counts a failed try at a code and voids it at the last one, with the record of that. Returns whether it is void now. */
  burnAfter(code: string, event?: PreparedEvent, tries?: number): Promise<boolean>;
  /** Removes at most `limit` rows past their time and returns how many there were. */
  deleteExpired(limit?: number): Promise<number>;
}

export interface ArtifactStoreOptions {
  pool: Pool;
  refreshSuccessorKey: Buffer;
  /** Seconds in which an honest client may repeat a refresh whose answer it lost. 0 switches it off. */
  refreshGrace: number;
  /** Seconds by which the clock of this machine is ahead of the database's. */
  clockAhead?(): number;
}

/** Where the engine keeps everything: one table in PostgreSQL, values as digests, whatever may happen once as one statement. */
export function createArtifactStore(options: ArtifactStoreOptions): ArtifactStore {
  const { pool, refreshGrace, clockAhead = () => 0 } = options;
  const refreshSuccessorKey = createSecretKey(options.refreshSuccessorKey);
  const reads = createArtifactReads(pool, refreshGrace);
  const write = createArtifactWrites({ pool, refreshGrace, isFlushed: true });
  const prepare = createArtifactWrites({ pool, refreshGrace, isFlushed: false });
  const amend = createAmendments(pool);
  const recentInteractions = createRecentInteractions();
  const recordsOfResults = new WeakMap<object, EndRecord>();
  const ends = createEnds(pool);
  const countFailure = createFailureCount(pool);
  const clock = createArtifactClock(clockAhead);

  function successorOf(refreshToken: string): string {
    return createHmac('sha256', refreshSuccessorKey).update(refreshToken).digest('base64url');
  }

  function successorDigest(refreshToken: string): Buffer | null {
    return refreshGrace > 0 ? digestOf('RefreshToken', successorOf(refreshToken)) : null;
  }

  /** A spent refresh token looks unspent to a retry within the grace period, until its successor is used. */
  async function mayBeRepeated(refreshToken: string, { spentWithinGrace }: StoredArtifact): Promise<boolean> {
    const successor = successorDigest(refreshToken);
    if (!successor || !spentWithinGrace || (Provider.ctx?.oidc?.route ?? 'token') !== 'token') return false;
    return !(await reads.isSpent(successor));
  }

  function consumption(model: string, value: string) {
    return { id: digestOf(model, value), successor: model === 'RefreshToken' ? successorDigest(value) : null };
  }

  /** Who loses has presented a spent value (RFC 9700 sections 4.2.4 and 4.14.2), however close behind the winner. */
  async function refuse(model: string, id: Buffer, describe?: DescribeEnd): Promise<never> {
    await ends.familyOf(id, describe);
    throw alreadySpent(model);
  }

  async function save(record: ArtifactRecord): Promise<void> {
    if ((await write({ save: [record] })) === 'refused') throw cannotStore(record.kind);
  }

  /** With the end of what it was stored under before, and with the sign-in that it is stored for. */
  async function saveSession(record: ArtifactRecord): Promise<void> {
    const end = ends.takeReplaced();
    const start = continuations.start();
    const due = { save: [record], ...(start && { start: start.row, record: start.record }), ...(end && { end }) };
    const outcome = await write(due).catch((error) => {
      if (Provider.ctx) withdrawAnswer(Provider.ctx);
      throw error;
    });
    // A session that ended while a request was under way stays ended; its answer goes out all the same.
    if (outcome === 'done') start?.stored();
  }

  /** One that belongs to a session may end with it at any time, and is read each time. */
  async function saveInteraction(record: ArtifactRecord, { result, session }: AdapterPayload): Promise<void> {
    if (!result) {
      if ((await prepare({ save: [record] })) === 'refused') throw cannotStore(record.kind);
      if (!session) recentInteractions.remember(record);
      return;
    }
    // One that has an answer was there when it was asked.
    const event = recordsOfResults.get(result);
    const amended = await amend({ record, event: event?.row });
    if (amended === 'lost') {
      recentInteractions.forget(record.id);
      throw cannotStore(record.kind);
    }
    event?.stored();
    if (!session) recentInteractions.remember(record, amended);
  }

  function recentInteraction(id: Buffer): StoredArtifact | undefined {
    return recentInteractions.find(id, Provider.ctx?.oidc?.route === 'resume' ? 'answer' : 'question');
  }

  /**
   * The engine destroys an interaction to go on with it, which may happen once, and only with the person it was read with: another
   * node may have taken another answer since, and ends with its own person only. S-143, S-158
   */
  async function useUpInteraction(value: string, id: Buffer): Promise<void> {
    recentInteractions.forget(id);
    const pending = Provider.ctx?.oidc?.entities.Interaction;
    const destroy = { id, ...(pending?.jti === value && { accountId: accountOf('Interaction', pending) ?? '' }) };
    if (continuations.useUp(destroy)) return;
    if ((await write({ destroy })) === 'lost') throw interactionExpired();
  }

  async function goOn({ interaction, saved, start }: Continued): Promise<void> {
    const outcome = await write({
      destroy: interaction,
      ...(saved.length && { save: saved }),
      ...(start && { start: start.row, record: start.record }),
    });
    if (outcome === 'lost') throw interactionExpired();
    if (outcome === 'refused') throw cannotStore(saved[0]!.kind);
  }

  async function commit({ spent, issued, record }: Collected, describe?: DescribeEnd): Promise<void> {
    const consume = spent && consumption(spent.model, spent.value);
    const outcome = await write({
      ...(consume && { consume }),
      ...(issued.length && { save: issued }),
      ...(record && { record }),
    });
    if (outcome === 'lost') await refuse(spent!.model, consume!.id, describe);
    if (outcome === 'refused') throw cannotStore(issued[0]!.kind);
  }

  const tokenRequests = createTokenRequests(commit);
  const continuations = createContinuations(goOn);
  const codes = createCodesUnderWay();

  function adapterFor(model: string, describe?: DescribeEnd): Adapter {
    if (model === 'Client') throw new Error('Clients are not artifacts: give the engine its own adapter for them.');
    return {
      async find(value) {
        if (model === 'Grant') {
          const grant = takeGrant(value);
          if (grant) return clock.here(grant);
        }
        const clientId = model === 'Session' ? askingClient() : undefined;
        const id = digestOf(model, value);
        const stored =
          (model === 'Interaction' ? recentInteraction(id) : undefined) ??
          (await reads.find({ id, ...(clientId !== undefined && { clientId }) }));
        if (!stored) return undefined;
        const payload = clock.here(payloadOf(model, value, stored.payload));
        foresee(clientId === undefined ? payload : { grantId: payload.authorizations?.[clientId]?.grantId }, stored);
        if (model === 'Session') rememberSession(value, stored.payload);
        const { consumed } = stored;
        if (consumed !== null && !(model === 'RefreshToken' && (await mayBeRepeated(value, stored)))) {
          payload.consumed = consumed;
          ends.noteSpent(payload);
        }
        return payload;
      },

      /** NOTE without the cookie's value, which is not stored: the engine reads such a session and never saves it. */
      async findByUid(uid) {
        const known = takeSession(uid);
        if (known) return clock.here(known);
        const stored = await reads.findSession(uid);
        return stored === undefined ? undefined : clock.here(payloadOf('Session', undefined, stored));
      },

      async findByUserCode() {
        throw new Error('The device flow is switched off: user codes are not stored.');
      },

      async upsert(value, given, lifetime) {
        const payload = clock.stored(given);
        if (model === 'Session' && isWithdrawn(Provider.ctx)) return;
        if (model === 'Session' && isMereTouch(value, payload, lifetime)) return codes.settled();
        const record = () => recordOf(model, value, payload, lifetime);
        if (tokenRequests.issue(model, record) || continuations.save(model, record)) return;
        if (model === 'Session' && (await continuations.complete(record))) return;
        if (model === 'Interaction') return saveInteraction(record(), payload);
        if (model === 'Session') return void (await Promise.all([saveSession(record()), codes.settled()]));
        const saved = save(record());
        if (model === 'AuthorizationCode' && codes.leave(saved)) return;
        await saved;
      },

      async consume(value) {
        const spent = { model, value };
        if (!tokenRequests.spend(spent)) await commit({ spent, issued: [] }, describe);
      },

      async destroy(value) {
        const id = digestOf(model, value);
        if (model === 'Interaction') return useUpInteraction(value, id);
        if (model === 'Grant') return ends.grant(value, describe);
        if (model === 'Session') {
          if (!((await ends.session(value, describe)) || ends.replace(value))) await write({ end: id });
          return;
        }
        if (await ends.token(model, value, describe)) return;
        // The engine ends the family after its token: whoever asks again after a crash between the two would find nothing to end.
        if (model === 'RefreshToken') await ends.familyOf(id, describe);
        await write({ destroy: { id } });
      },

      revokeByGrantId: (grantId) => ends.members(grantId, model),
    };
  }

  return {
    adapterFor,
    tokenRequest: tokenRequests.run,
    browserRequest: continuations.run,
    recordWith: (result, event) => void recordsOfResults.set(result, event),
    successorOf,
    claimOnce: async (id, payload, lifetime) =>
      (await write({ save: [recordOf('ReplayDetection', id, payload, lifetime)] })) === 'done',
    burnAfter: (code, event, tries = 5) => countFailure({ id: digestOf('AuthorizationCode', code), tries, event }),
    deleteExpired: createExpiredDeletion(pool),
  };
}

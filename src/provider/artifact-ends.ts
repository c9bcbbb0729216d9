import type { Pool } from 'pg';
import type { PreparedEvent } from '../audit/audit.ts';
import { digestOf } from './artifact-identity.ts';
import { createArtifactRevocations, type End } from './artifact-revocations.ts';
import { type AdapterPayload, type EngineContext, Provider } from './engine.ts';

/**
 * What is to be recorded of a request that ends this. `sessionId` is of the spent code or token that was presented once more, which
 * the engine does not show.
 */
export type DescribeEnd = (
  ctx: EngineContext,
  ended: 'session' | 'grant' | 'token',
  presented: { sessionId?: string },
) => EndRecord;

/** A row, and what follows once it is stored. */
export type EndRecord = Pick<PreparedEvent, 'row' | 'stored'>;

interface Described extends End {
  events?: EndRecord[];
}

/**
 * What the engine ends, in as few statements as there are things to tell of, each with its records: nothing ends that has none, and
 * nothing lives on that has one. S-175
 *
 * - Sign-out: the engine ends the grants of a session one by one, and the session after them. The grants wait for the session, so
 *   that all of it is one statement; a crash before it leaves somebody signed in who was not told otherwise.
 * - With a sign-in or consent a session gets a new id: the engine destroys it under the old one and stores it under the new one. The
 *   old one waits for that: a crash in between would sign somebody out.
 * - `/revoke`: the engine destroys the token, then what is under its grant, then the grant. Here all of it ends with the token.
 * - A code or refresh token that is presented a second time: all that came from it ends with the grant.
 */
export function createEnds(pool: Pool) {
  const revocations = createArtifactRevocations(pool);
  const grantsToLeave = new WeakMap<object, Buffer[]>();
  const sessionsOfSpent = new WeakMap<object, string>();
  const replaced = new WeakMap<object, Buffer>();

  function described(describe: DescribeEnd | undefined, ...ended: Parameters<DescribeEnd>[1][]): EndRecord[] {
    const { ctx } = Provider;
    if (!describe || !ctx?.oidc) return [];
    const sessionId = sessionsOfSpent.get(ctx);
    return ended.map((kind) => describe(ctx, kind, { ...(sessionId !== undefined && { sessionId }) }));
  }

  async function end(...ends: Described[]): Promise<void> {
    const outcomes = await revocations.end(
      ends.map(({ events = [], ...rest }) => ({ ...rest, records: events.map(({ row }) => row) })),
    );
    for (const [index, { events = [] }] of ends.entries()) {
      const whose = outcomes[index];
      if (!whose) continue;
      for (const event of events) {
        // As the statement wrote it: whose it was is known only now.
        if (whose.userId !== null) event.row.user_id = whose.userId;
        if (whose.clientId !== null) event.row.client_id = whose.clientId;
        event.stored();
      }
    }
  }

  const family = (grant: Buffer): End => ({ grant, members: { grantId: grant, kind: null } });

  return {
    /** A session of this person stays known by what was spent, for the case that it is a replay. */
    noteSpent({ sessionUid }: AdapterPayload): void {
      const { ctx } = Provider;
      if (ctx && sessionUid !== undefined) sessionsOfSpent.set(ctx, sessionUid);
    },

    /** Whether this is a sign-out; otherwise the session only gets another id. */
    async session(value: string, describe: DescribeEnd | undefined): Promise<boolean> {
      const ctx = signOut();
      if (!ctx?.oidc.session || ctx.oidc.session.jti !== value) return false;
      const grants = grantsToLeave.get(ctx) ?? [];
      await end(
        { session: ctx.oidc.session.uid, events: described(describe, 'session') },
        ...grants.map((grant) => ({ ...family(grant), events: described(describe, 'grant') })),
      );
      return true;
    },

    /** Whether it waits for the session to be stored under its new id; otherwise the caller has to end it. */
    replace(value: string): boolean {
      const { ctx } = Provider;
      if (!ctx || (ctx.oidc?.session as { oldId?: string } | undefined)?.oldId !== value) return false;
      replaced.set(ctx, digestOf('Session', value));
      return true;
    },

    /** What ends with the session that is stored now. */
    takeReplaced(): Buffer | undefined {
      const { ctx } = Provider;
      const id = ctx && replaced.get(ctx);
      if (id) replaced.delete(ctx);
      return id;
    },

    async grant(grantId: string, describe: DescribeEnd | undefined): Promise<void> {
      const grant = digestOf('Grant', grantId);
      const ctx = signOut();
      if (ctx) grantsToLeave.set(ctx, [...(grantsToLeave.get(ctx) ?? []), grant]);
      else await end({ ...family(grant), events: described(describe, 'grant') });
    },

    /** Whether the client gave it back; otherwise the caller has to destroy it. */
    async token(model: string, value: string, describe: DescribeEnd | undefined): Promise<boolean> {
      const { route, entities } = Provider.ctx?.oidc ?? {};
      const token = entities?.[model] as { jti?: string; grantId?: string } | undefined;
      if (route !== 'revocation' || token?.jti !== value) return false;
      const grant = token.grantId === undefined ? undefined : digestOf('Grant', token.grantId);
      if (model === 'RefreshToken' && grant) {
        await end({ ...family(grant), events: described(describe, 'token', 'grant') });
      } else {
        await end({
          token: digestOf(model, value),
          ...(grant && { members: { grantId: grant, kind: null } }),
          events: described(describe, 'token'),
        });
      }
      return true;
    },

    /** Somebody presented this a second time: its grant and all that came from it ends. */
    async familyOf(id: Buffer, describe?: DescribeEnd): Promise<void> {
      const grant = await revocations.findGrant(id);
      if (grant) await end({ ...family(grant), events: described(describe, 'grant') });
    },

    async members(grantId: string, kind: string): Promise<void> {
      // Whatever makes the engine ask for it has ended all kinds already, or does so in this turn.
      if (Provider.ctx?.oidc) return;
      await end({ members: { grantId: digestOf('Grant', grantId), kind } });
    },
  };
}

/** The request of somebody who said yes to being signed out: the engine ends their session for sure, or fails. */
function signOut(): EngineContext | undefined {
  const { ctx } = Provider;
  const { route, params } = ctx?.oidc ?? {};
  return route === 'end_session_confirm' && params?.logout ? ctx : undefined;
}

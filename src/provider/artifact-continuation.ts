import type { PreparedStart } from '../accounts/sessions.ts';
import type { ArtifactRecord } from './artifact-record.ts';
import type { Destruction } from './artifact-write-statement.ts';
import { policyOf } from './client-policy.ts';
import { type EngineContext, Provider } from './engine.ts';

/** What going on with a sign-in has to write. */
export interface Continued {
  /** The interaction that is used up. */
  interaction: Destruction;
  saved: ArtifactRecord[];
  start?: PreparedStart;
}

/** What is to be stored of the session that a sign-in begins; nothing when it does not begin one. */
export type DescribeStart = (ctx: EngineContext) => PreparedStart | undefined;

interface UnderWay {
  describe: DescribeStart;
  continued?: Continued;
}

/**
 * Collects what the engine does when a browser comes back from a sign-in: it uses up the interaction, makes a grant and a code, and
 * stores the new session at last. With that one all of it is due, in one statement: a crash cannot fall between, and of two
 * requests that go on with one interaction the one that loses has stored nothing. S-143
 */
export function createContinuations(commit: (continued: Continued) => Promise<void>) {
  const underWay = new WeakMap<object, UnderWay>();

  function ofThisRequest(): UnderWay | undefined {
    const { ctx } = Provider;
    return ctx && underWay.get(ctx);
  }

  async function settle(ctx: EngineContext, request: UnderWay): Promise<void> {
    const { continued, describe } = request;
    if (!continued) return;
    delete request.continued;
    const start = continued.saved.some(({ kind }) => kind === 'Session') ? describe(ctx) : undefined;
    try {
      await commit(start ? { ...continued, start } : continued);
    } catch (error) {
      withdrawAnswer(ctx);
      throw error;
    }
    start?.stored();
  }

  return {
    /** @throws what `commit` throws */
    async run(ctx: EngineContext, answer: () => Promise<void>, describe: DescribeStart): Promise<void> {
      const request: UnderWay = { describe };
      underWay.set(ctx, request);
      try {
        await answer();
        // An answer that stored no session.
        await settle(ctx, request);
      } finally {
        underWay.delete(ctx);
      }
    },

    /**
     * Whether it is collected; otherwise the caller has to do it. Only for what everybody expects of a sign-in: in a session that
     * nobody knows yet, whose save is sure to come, and with nothing else that may happen once.
     */
    useUp(interaction: Destruction): boolean {
      const request = ofThisRequest();
      const { route, session, entities } = Provider.ctx?.oidc ?? {};
      const pending = entities?.Interaction;
      if (!request || request.continued || route !== 'resume' || !pending?.result?.login) return false;
      const { parJti } = pending as { parJti?: string };
      if (parJti !== undefined || !(session as { new?: boolean } | undefined)?.new) return false;
      request.continued = { interaction, saved: [] };
      return true;
    },

    /** Whether it is collected; otherwise the caller has to do it. */
    save(model: string, record: () => ArtifactRecord): boolean {
      const continued = ofThisRequest()?.continued;
      if (!continued || !mayWait(model)) return false;
      continued.saved.push(record());
      return true;
    },

    /** What is to be stored with a session that was known before, when somebody has signed in to it. */
    start(): PreparedStart | undefined {
      return ofThisRequest()?.describe(Provider.ctx!);
    },

    /** With the session comes all else that was collected. Whether that was anything. */
    async complete(session: () => ArtifactRecord): Promise<boolean> {
      const request = ofThisRequest();
      if (!request?.continued) return false;
      request.continued.saved.push(session());
      await settle(Provider.ctx!, request);
      return true;
    },
  };
}

const withdrawn = new WeakSet<object>();

/** The code and the session that it was to carry do not exist, and must not take the place of those that do. */
export function withdrawAnswer(ctx: EngineContext): void {
  withdrawn.add(ctx);
  ctx.remove('Location');
  ctx.remove('Set-Cookie');
}

/** The engine tries once more to store the session of such a request, in which its person is signed in. */
export function isWithdrawn(ctx: EngineContext | undefined): boolean {
  return ctx !== undefined && withdrawn.has(ctx);
}

/** A grant that is made of a consent has to be there before it is looked whether the consent still is. */
function mayWait(model: string): boolean {
  if (model !== 'Grant') return model === 'AuthorizationCode' || model === 'Interaction';
  const client = Provider.ctx?.oidc.client;
  return client !== undefined && policyOf(client).isFirstParty;
}

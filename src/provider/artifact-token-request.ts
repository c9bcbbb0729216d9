import type { AuditRow, PreparedEvent } from '../audit/audit.ts';
import type { ArtifactRecord } from './artifact-record.ts';
import { type EngineContext, Provider } from './engine.ts';

export interface Spent {
  model: string;
  value: string;
}

/** What a token request has to write. */
export interface Collected {
  spent?: Spent;
  issued: ArtifactRecord[];
  record?: AuditRow;
}

/** What is to be recorded of a request that was answered. */
export type DescribeIssue = (ctx: EngineContext) => PreparedEvent;

/** What a token request issues. All else that happens during one is written at once. */
const ISSUED = new Set(['AccessToken', 'ClientCredentials', 'RefreshToken']);

export type Commit = (collected: Collected) => Promise<void>;

/**
 * Collects what the engine spends and stores during a token request, in up to three calls one after the other, so that it can be
 * one statement: a crash cannot fall between them, and nobody waits three times. A request that fails after all issues nothing,
 * and what it spent stays spent.
 */
export function createTokenRequests(commit: Commit) {
  const underWay = new WeakMap<object, Collected>();

  function ofThisRequest(): Collected | undefined {
    const { ctx } = Provider;
    return ctx && underWay.get(ctx);
  }

  return {
    /**
     * The record is stored in the same statement, or queued where there is none.
     * @throws what `commit` throws, before the engine has said that anything was issued
     */
    async run(ctx: EngineContext, answer: () => Promise<void>, describe?: DescribeIssue): Promise<void> {
      const collected: Collected = { issued: [] };
      underWay.set(ctx, collected);
      try {
        await answer();
      } catch (error) {
        underWay.delete(ctx);
        if (collected.spent) await commit({ spent: collected.spent, issued: [] });
        throw error;
      }
      underWay.delete(ctx);
      const event = describe?.(ctx);
      if (collected.spent || collected.issued.length) {
        await commit(event ? { ...collected, record: event.row } : collected);
        event?.stored();
      } else {
        // Only what is not stored, a signed token: the answer does not wait for its record.
        event?.enqueue().catch(() => {});
      }
    },

    /** Whether it is collected; otherwise the caller has to do it. */
    spend(spent: Spent): boolean {
      const collected = ofThisRequest();
      if (!collected || collected.spent) return false;
      collected.spent = spent;
      return true;
    },

    /** Whether it is collected; otherwise the caller has to do it. */
    issue(model: string, record: () => ArtifactRecord): boolean {
      const collected = ISSUED.has(model) ? ofThisRequest() : undefined;
      collected?.issued.push(record());
      return collected !== undefined;
    },
  };
}

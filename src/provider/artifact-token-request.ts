import type { AuditRow, PreparedEvent } from '../audit/audit.ts';
import type { DescribeEnd } from './artifact-ends.ts';
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

/** What is to be recorded of token requests: of what they issue, and of what ends when something is presented a second time. */
export interface DescribeTokens {
  issue: DescribeIssue;
  end: DescribeEnd;
}

/** What a token request issues. All else that happens during one is written at once. */
const ISSUED = new Set(['AccessToken', 'ClientCredentials', 'RefreshToken']);

export type Commit = (collected: Collected, describe?: DescribeEnd) => Promise<void>;

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
    async run(ctx: EngineContext, answer: () => Promise<void>, describe?: DescribeTokens): Promise<void> {
      const collected: Collected = { issued: [] };
      underWay.set(ctx, collected);
      try {
        await answer();
      } catch (error) {
        underWay.delete(ctx);
        if (collected.spent) await commit({ spent: collected.spent, issued: [] }, describe?.end);
        throw error;
      }
      underWay.delete(ctx);
      const event = describe?.issue(ctx);
      if (collected.spent || collected.issued.length) {
        await commit(event ? { ...collected, record: event.row } : collected, describe?.end);
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

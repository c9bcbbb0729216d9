import type { StoredArtifact } from './artifact-reads.ts';
import type { ArtifactRecord } from './artifact-record.ts';

/** Milliseconds: in which most people have typed their password, and in which a browser follows the answer to it. */
const UNANSWERED = 60_000;
const ANSWERED = 2_000;
const MOST = 1_000;
/** Characters of a payload: strangers choose what is in it. */
const LONGEST = 4_096;

interface Kept {
  stored: StoredArtifact;
  isAnswered: boolean;
  until: number;
}

export interface RecentInteractions {
  /** After it was stored. With the person that answered, as JSON, once somebody did. */
  remember(record: ArtifactRecord, answer?: { account: string | null }): void;
  forget(id: Buffer): void;
  /** What goes on with an interaction needs its answer, which another node may have stored. */
  find(id: Buffer, needs: 'answer' | 'question'): StoredArtifact | undefined;
}

/**
 * What this node stored of sign-ins that are under way. Page, form and end of one follow within moments, mostly at the same node, and each
 * would read the row. It decides nothing: an answer is stored, and the sign-in goes on, only over a row that is still there in that
 * moment, in the statement that does it (S-143). All that can be old is a page whose form is refused.
 * Payloads stay sealed as they are in the database.
 */
export function createRecentInteractions(now: () => number = () => performance.now()): RecentInteractions {
  const kept = new Map<string, Kept>();
  const keyOf = (id: Buffer) => id.toString('latin1');

  return {
    remember({ id, payload, lifetime }, answer) {
      const key = keyOf(id);
      kept.delete(key);
      if (payload.length > LONGEST) return;
      const age = Math.min(answer ? ANSWERED : UNANSWERED, (lifetime ?? 0) * 1_000);
      const stored = {
        payload,
        consumed: null,
        spentWithinGrace: false,
        grant: null,
        session: null,
        account: answer?.account ?? null,
      };
      kept.set(key, { stored, isAnswered: answer !== undefined, until: now() + age });
      if (kept.size > MOST) kept.delete(kept.keys().next().value!);
    },

    forget(id) {
      kept.delete(keyOf(id));
    },

    find(id, needs) {
      const key = keyOf(id);
      const found = kept.get(key);
      if (!found) return undefined;
      if (found.until <= now()) {
        kept.delete(key);
        return undefined;
      }
      return needs === 'answer' && !found.isAnswered ? undefined : found.stored;
    },
  };
}

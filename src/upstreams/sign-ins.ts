import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { Audit, AuditContext } from '../audit/audit.ts';
import { type AttemptKey, createAttemptStore, type Refusal } from './attempts.store.ts';
import { createDisabledConnections } from './connections.store.ts';
import { failed, failureOf } from './failure.ts';
import { openAttempt, sealAttempt } from './sealed-attempt.ts';
import { isStale } from './stale-sign-in.ts';
import type { Attempt, Upstream, UpstreamOutcome, UpstreamRequest } from './upstream.ts';

/** Milliseconds that the list of disabled connections may be old. What sends or receives a browser reads it anew. */
const MAX_AGE = 250;

export interface NamedUpstream {
  provider: string;
  displayName: string;
  /** It can answer a request for a fresh sign-in. S-164 */
  saysWhen?: true;
}

export type BeginOutcome =
  | { kind: 'redirect'; url: string }
  | { kind: 'unknown_provider' }
  | { kind: 'disabled' }
  /** A provider that could not say where to: recorded. */
  | { kind: 'failed' };
export type SignInOutcome =
  /** `link` as the journey began with it. */
  | (Exclude<UpstreamOutcome, Identified> & { link?: string })
  /** `identity.authTime`, where there is one, is as young as was asked. */
  | (Identified & (ProvesNothing | ProvesLink))
  | { kind: Refusal; link?: string };

type Identified = Extract<UpstreamOutcome, { kind: 'identified' }>;

interface ProvesNothing {
  link?: undefined;
}

interface ProvesLink {
  link: string;
  /** Of the connection that it came by: whoever uses the proof later holds it against the one of then. S-100 */
  connectionVersion: number;
}

export interface Journey {
  provider: string;
  interaction: string;
  /** What only the browser that leaves has; nobody else can come back. S-095 */
  browser: string;
}

/** Journeys to the upstreams and back, each one once. */
export interface UpstreamSignIns {
  /** Enabled providers in configured order. Read from the database at most 250 ms ago. */
  list(): Promise<NamedUpstream[]>;
  /** Configured ones, whether enabled or not. */
  find(provider: string): NamedUpstream | undefined;
  /** Stores the attempt (10 minutes, one-time) and answers with where to send the browser. */
  begin(input: Journey & { request: UpstreamRequest; link?: string }): Promise<BeginOutcome>;
  /** Which interaction a callback belongs to, also a late, repeated or misdelivered one: looks, does not consume. */
  interactionOf(provider: string, state: string): Promise<string | undefined>;
  /** Why nobody can finish this journey any more, if so: looks, does not consume. Of another interaction nothing is told. */
  fateOf(key: AttemptKey): Promise<'spent' | 'expired' | undefined>;
  /**
   * One conditional statement consumes the state: right provider, right interaction and browser, not expired, connection enabled.
   * Then asks the upstream. `spent`: used before; `expired`: too late; `foreign`: forged, or not of this provider, interaction and
   * browser.
   */
  finish(input: Journey & { response: URLSearchParams }, by: AuditContext): Promise<SignInOutcome>;
}

export interface UpstreamSignInsOptions {
  pool: Pool;
  upstreams: Upstream[];
  audit: Pick<Audit, 'queue'>;
  /** The one fixed address that this provider sends browsers back to. */
  callbackUrl(provider: string): string;
  /** A provider said who somebody is. */
  onIdentified?(of: { provider: string }, by: AuditContext): void;
  /** Milliseconds of a clock that is never set back. */
  now?: () => number;
}

export function createUpstreamSignIns(options: UpstreamSignInsOptions): UpstreamSignIns {
  const { pool, upstreams, audit, callbackUrl, now = () => performance.now() } = options;
  const byName = new Map(upstreams.map((upstream) => [upstream.provider, upstream]));
  const attempts = createAttemptStore(pool);
  const disabled = createDisabledConnections(pool);
  let known: { disabled: Map<string, Date>; until: number } | undefined;

  async function finish(journey: Journey, response: URLSearchParams): Promise<SignInOutcome> {
    const { provider } = journey;
    const upstream = byName.get(provider);
    const state = response.get('state');
    if (!upstream || !state) return { kind: 'foreign' };
    const consumed = await attempts.consume({ ...journey, state });
    if ('kind' in consumed) return consumed;
    const { interaction: _, link, ...rest } = openAttempt(state, consumed.sealed);
    const attempt = { state, ...rest };
    const proven = link !== undefined && { link };
    const outcome = await ask(upstream, response, attempt);
    if (outcome.kind !== 'identified') return { ...outcome, ...proven };
    // It may have been disabled while the upstream was asked. S-100
    const { version } = consumed;
    if (!(await attempts.isStillOpen(provider, version))) return { kind: 'disabled', ...proven };
    if (isStale(outcome.identity.authTime, attempt)) return { kind: 'failed', reason: 'stale_sign_in', ...proven };
    return proven ? { ...outcome, ...proven, connectionVersion: version } : outcome;
  }

  /** A provider that breaks its promise and throws has failed, like one that says so. */
  async function ask(upstream: Upstream, response: URLSearchParams, attempt: Attempt): Promise<UpstreamOutcome> {
    try {
      return await upstream.finish(response, attempt);
    } catch (error) {
      return failed(failureOf(error));
    }
  }

  return {
    async list() {
      if (!known || now() >= known.until) known = { until: now() + MAX_AGE, disabled: await disabled() };
      const without = known.disabled;
      return upstreams.filter(({ provider }) => !without.has(provider)).map(nameOf);
    },

    find(provider) {
      const upstream = byName.get(provider);
      return upstream && nameOf(upstream);
    },

    async begin({ request, link, ...journey }) {
      const { provider, interaction } = journey;
      const upstream = byName.get(provider);
      if (!upstream) return { kind: 'unknown_provider' };
      const state = randomValue();
      const attempt = {
        nonce: randomValue(),
        codeVerifier: randomValue(),
        redirectUri: callbackUrl(provider),
        request,
        startedAt: Math.floor(Date.now() / 1000),
      };
      const sealed = sealAttempt(state, { ...attempt, interaction, ...(link !== undefined && { link }) });
      if (!(await attempts.add({ ...journey, state }, sealed))) return { kind: 'disabled' };
      try {
        return { kind: 'redirect', url: await upstream.begin({ state, ...attempt }) };
      } catch (error) {
        const { reason, problem } = failureOf(error);
        await audit.queue.upstreamSignInFailed({ provider, reason, problem }, {});
        return { kind: 'failed' };
      }
    },

    async interactionOf(_provider, state) {
      const sealed = await attempts.find(state);
      return sealed && openAttempt(state, sealed).interaction;
    },

    async fateOf(key) {
      const kind = await attempts.refusal(key);
      return kind === 'spent' || kind === 'expired' ? kind : undefined;
    },

    async finish({ response, ...journey }, by) {
      const { provider } = journey;
      const outcome = await finish(journey, response);
      if (outcome.kind === 'identified') options.onIdentified?.({ provider }, by);
      if (outcome.kind === 'identified' || outcome.kind === 'denied') return outcome;
      // A state that was made up is no event: anybody can make up as many as they like.
      if (outcome.kind === 'foreign' && !(await attempts.find(response.get('state') ?? ''))) return outcome;
      const reason = outcome.kind === 'failed' ? outcome.reason : outcome.kind;
      const problem = outcome.kind === 'failed' ? outcome.problem : undefined;
      await audit.queue.upstreamSignInFailed({ provider, reason, ...(problem !== undefined && { problem }) }, by);
      return outcome;
    },
  };
}

function nameOf({ provider, displayName, saysWhen }: Upstream): NamedUpstream {
  return { provider, displayName, ...(saysWhen && { saysWhen }) };
}

/** 256 random bits; 43 characters, the fewest that PKCE takes. @see RFC 7636 section 4.1 */
function randomValue(): string {
  return randomBytes(32).toString('base64url');
}

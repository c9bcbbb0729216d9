import { createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createUpstreamConnections } from '../../src/upstreams/connections.ts';
import { createUpstreamSignIns } from '../../src/upstreams/sign-ins.ts';
import type { Attempt, Upstream, UpstreamOutcome } from '../../src/upstreams/upstream.ts';

export const BY = { address: '192.0.2.7', requestId: 'r-1' };
/** What tells the browser that left from another one. */
export const BROWSER = 'browser-1';
const silent = { info() {}, warn() {}, error() {} };

/** An upstream without a network: it says what the test wants, and remembers who was brought to it. */
export interface ScriptedUpstream extends Upstream {
  begun: Attempt[];
  finished: { response: URLSearchParams; attempt: Attempt }[];
  outcome: (attempt: Attempt) => UpstreamOutcome | Promise<UpstreamOutcome>;
}

export function scriptedUpstream(provider: string, displayName: string): ScriptedUpstream {
  const upstream: ScriptedUpstream = {
    provider,
    displayName,
    begun: [],
    finished: [],
    outcome: () => ({ kind: 'identified', identity: { provider, subject: '1' } }),
    async begin(attempt) {
      upstream.begun.push(attempt);
      return `https://${provider}.example/authorize?state=${attempt.state}`;
    },
    async finish(response, attempt) {
      upstream.finished.push({ response, attempt });
      return upstream.outcome(attempt);
    },
  };
  return upstream;
}

/** One node of the service, as far as upstreams go. */
export function openNode(database: Database, options: { now?: () => number } = {}) {
  const google = scriptedUpstream('google', 'Google');
  const discord = scriptedUpstream('discord', 'Discord');
  const upstreams = [google, discord];
  const audit = createAudit({ database, logger: silent as never });
  const signIns = createUpstreamSignIns({
    pool: database.pool,
    upstreams,
    audit,
    callbackUrl: (provider) => `https://id.example/callback/${provider}`,
    ...options,
  });
  const connections = createUpstreamConnections({ database, upstreams, audit });

  /** What the browser has in its address after the way there. */
  async function begin(interaction: string, provider = 'google', browser = BROWSER): Promise<string> {
    const begun = await signIns.begin({ provider, interaction, browser, request: { freshSignIn: false } });
    if (begun.kind !== 'redirect') throw new Error(begun.kind);
    return new URL(begun.url).searchParams.get('state')!;
  }

  const finish = (interaction: string, state: string | undefined, provider = 'google') => {
    const response = new URLSearchParams({ code: 'c', ...(state !== undefined && { state }) });
    return signIns.finish({ provider, interaction, browser: BROWSER, response }, BY);
  };

  return { google, discord, signIns, connections, begin, finish, close: () => audit.close() };
}

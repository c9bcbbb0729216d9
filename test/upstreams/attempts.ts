import { randomBytes } from 'node:crypto';
import { createOutbound } from '../../src/platform/http/outbound.ts';
import type { Attempt, Upstream, UpstreamOutcome, UpstreamRequest } from '../../src/upstreams/upstream.ts';
import type { FakePerson, FakeProvider, FakeUpstream } from '../support/fake-upstream.ts';

export const REDIRECT_URI = 'https://id.example/callback';

/** What a developer does at all of them. */
export function registerAttempts({ google, discord, others }: FakeUpstream): void {
  for (const { redirectUris } of [google, discord, ...Object.values(others)]) redirectUris.push(REDIRECT_URI);
}

/** The guarded client itself, let through to this machine. */
export const outbound = createOutbound({ allowLoopback: true });

export function attempt(request: Partial<UpstreamRequest> = {}): Attempt {
  const value = () => randomBytes(32).toString('base64url');
  return {
    state: value(),
    nonce: value(),
    codeVerifier: value(),
    redirectUri: REDIRECT_URI,
    request: { freshSignIn: false, ...request },
    startedAt: Math.floor(Date.now() / 1000),
  };
}

/** A person's whole way there, up to the callback that their browser brings. */
export async function callbackOf(
  upstream: Upstream,
  fake: FakeProvider,
  journey: Attempt,
  decision?: { as?: string; deny?: boolean },
): Promise<URLSearchParams> {
  return (await fake.decide(await upstream.begin(journey), decision)).searchParams;
}

/** There and back. */
export async function signIn(
  upstream: Upstream,
  fake: FakeProvider,
  { as, ...request }: Partial<UpstreamRequest> & { as?: string } = {},
): Promise<UpstreamOutcome> {
  const journey = attempt(request);
  return upstream.finish(await callbackOf(upstream, fake, journey, { as }), journey);
}

/** What came of it, when it has to have worked. */
export async function identityOf(upstream: Upstream, fake: FakeProvider, person: FakePerson) {
  fake.people = [person];
  const outcome = await signIn(upstream, fake);
  if (outcome.kind !== 'identified') throw new Error(`not identified: ${JSON.stringify(outcome)}`);
  return outcome.identity;
}

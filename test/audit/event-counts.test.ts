import { beforeEach, expect, test } from '@jest/globals';
import { type AuditDetails, type AuditEventName, eventKinds } from '../../src/audit/audit-event.ts';
import { type CountEvent, countEvents } from '../../src/audit/event-counts.ts';
import { createMetrics, type Metrics, noMetrics } from '../../src/platform/metrics.ts';
import type { UpstreamFailureReason } from '../../src/upstreams/upstream.ts';

let metrics: Metrics;
let count: CountEvent;
beforeEach(async () => {
  metrics = await createMetrics();
  count = countEvents(metrics, { providers: ['google', 'discord'] })!;
});

async function series(): Promise<Map<string, number>> {
  const { text } = await metrics.exposition();
  const lines = text.split('\n').filter((line) => line.startsWith('daemun_'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

type Row = { [Name in AuditEventName]: [Name, AuditDetails[Name], string, number] }[AuditEventName];

const person = { userId: 'u' };
const rows: Row[] = [
  [
    'signInSucceeded',
    { ...person, amr: ['pwd'] },
    'daemun_sign_ins_total{outcome="succeeded",method="password",reason=""}',
    1,
  ],
  [
    'signInSucceeded',
    { ...person, amr: ['fed'], provider: 'google' },
    'daemun_sign_ins_total{outcome="succeeded",method="google",reason=""}',
    1,
  ],
  [
    'signInFailed',
    { reason: 'wrong_password' },
    'daemun_sign_ins_total{outcome="failed",method="password",reason="wrong_password"}',
    1,
  ],
  [
    'signInFailed',
    { provider: 'discord', reason: 'sign_up_closed' },
    'daemun_sign_ins_total{outcome="failed",method="discord",reason="sign_up_closed"}',
    1,
  ],
  [
    'signInThrottled',
    { limit: 'account', retryAfter: 3 },
    'daemun_sign_ins_total{outcome="throttled",method="password",reason="account"}',
    1,
  ],
  [
    'upstreamSignInFailed',
    { provider: 'google', reason: 'timeout' },
    'daemun_upstream_failures_total{provider="google",reason="timeout"}',
    1,
  ],
  [
    'tokenIssued',
    { clientId: 'c', kind: 'access_token', grantType: 'refresh_token' },
    'daemun_tokens_issued_total{grant_type="refresh_token",kind="access_token"}',
    1,
  ],
  ['tokenRefused', { error: 'invalid_scope' }, 'daemun_tokens_refused_total{error="invalid_scope"}', 1],
  ['codeReplayed', { clientId: 'c' }, 'daemun_tokens_refused_total{error="invalid_grant"}', 1],
  ['refreshTokenReplayed', { clientId: 'c' }, 'daemun_tokens_refused_total{error="invalid_grant"}', 1],
  ['sessionStarted', { ...person, sessionId: 's', amr: [] }, 'daemun_sessions_started_total', 1],
  ['sessionEnded', { sessionId: 's', reason: 'signed_out' }, 'daemun_sessions_ended_total{reason="signed_out"}', 1],
  ['userDisabled', { ...person, sessionsEnded: 3 }, 'daemun_sessions_ended_total{reason="user_disabled"}', 3],
  ['userDeleted', { ...person, sessionsEnded: 0 }, 'daemun_sessions_ended_total{reason="user_deleted"}', 0],
  ['identityUnlinked', { ...person, provider: 'google' }, 'daemun_sessions_ended_total{reason="identity_unlinked"}', 0],
  ['sessionsEndedWithKey', { kid: 'k', sessionsEnded: 7 }, 'daemun_sessions_ended_total{reason="key_revoked"}', 7],
  [
    'signingKeyRevoked',
    { kid: 'k', algorithm: 'RS256', reason: 'stolen' },
    'daemun_key_events_total{kind="signing_key.revoked"}',
    1,
  ],
  ['keysRewrapped', { kekId: 'k', rows: {} }, 'daemun_key_events_total{kind="keys.rewrapped"}', 1],
  ['userCreated', person, 'daemun_events_total{type="user.created"}', 1],
];

test.each(rows)('%s %j is counted as %s', async (name, details, expected, value) => {
  count(name, details);
  const after = await series();
  expect(after.get(expected)).toBe(value);
  expect(after.get(`daemun_events_total{type="${eventKinds[name].type}"}`)).toBe(1);
});

test('every event has a figure of its own, from 0', async () => {
  const before = await series();
  for (const { type } of Object.values(eventKinds)) expect(before.get(`daemun_events_total{type="${type}"}`)).toBe(0);
});

test('an event that is not about something does not move its figure', async () => {
  const before = await series();
  count('userCreated', { userId: 'u' });
  const after = await series();
  const moved = [...after].filter(([name, value]) => before.get(name) !== value).map(([name]) => name);
  expect(moved).toEqual(['daemun_events_total{type="user.created"}']);
});

test('whatever a stranger writes, it makes one series more at most', async () => {
  const say = (chosen: string) => {
    const text = chosen as never;
    count('tokenIssued', { clientId: text, kind: text, grantType: text, userId: text, sessionId: text });
    count('tokenRefused', { clientId: text, error: text, grantType: text });
    count('signInSucceeded', { userId: text, amr: [text], provider: text });
    count('signInFailed', { userId: text, provider: text, reason: text });
    count('signInThrottled', { limit: text, retryAfter: 1 });
    count('upstreamSignInFailed', { provider: text, reason: text, problem: text });
    count('sessionEnded', { sessionId: text, userId: text, reason: text });
    count('authorizationRefused', { clientId: text, error: text });
    count('signingKeyRevoked', { kid: text, algorithm: text, reason: text });
  };
  say('the first');
  const names = [...(await series()).keys()];
  for (const text of ['__proto__', 'constructor', 'a"} 1\n', '', ...Array.from({ length: 500 }, (_, n) => `x${n}`)])
    say(text);
  const after = await series();
  expect([...after.keys()]).toEqual(names);
  expect(after.get('daemun_tokens_refused_total{error="other"}')).toBe(505);
  expect(after.get('daemun_tokens_issued_total{grant_type="other",kind="other"}')).toBe(505);
  expect(after.get('daemun_sign_ins_total{outcome="failed",method="other",reason="other"}')).toBe(505);
});

test('where nobody reads figures nothing is called for an event', () => {
  expect(countEvents(noMetrics, { providers: [] })).toBeUndefined();
});

/** The type makes this list complete. */
const UPSTREAM_REASONS: Record<UpstreamFailureReason, true> = {
  unavailable: true,
  timeout: true,
  refused: true,
  invalid_response: true,
  wrong_issuer: true,
  stale_sign_in: true,
  domain_not_allowed: true,
};

test.each(Object.keys(UPSTREAM_REASONS))(
  'an upstream that fails by "%s" is counted under that name',
  async (reason) => {
    count('upstreamSignInFailed', { provider: 'google', reason });
    expect((await series()).get(`daemun_upstream_failures_total{provider="google",reason="${reason}"}`)).toBe(1);
  },
);

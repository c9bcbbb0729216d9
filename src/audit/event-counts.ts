import type { Metrics } from '../platform/metrics.ts';
import { type AuditDetails, type AuditEventName, eventKinds, SIGN_IN_LIMITS, SIGN_IN_REFUSALS } from './audit-event.ts';

/** To be called once the row is stored. */
export type CountEvent = (name: AuditEventName, details: object) => void;

type Effects = { [Name in AuditEventName]?: (details: AuditDetails[Name]) => void };

/** What everything is called that is not in a list: a label has few values, whatever is written into a request. */
const OTHER = 'other';
const GRANT_TYPES = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:token-exchange',
];
const TOKEN_KINDS = ['access_token', 'refresh_token', 'id_token'];
const TOKEN_ERRORS = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'invalid_scope',
  'invalid_target',
  'invalid_dpop_proof',
  'use_dpop_nonce',
  'unauthorized_client',
  'unsupported_grant_type',
  'temporarily_unavailable',
  'server_error',
];
const SESSION_ENDS = [
  'signed_out',
  'ended_from_list',
  'user_disabled',
  'user_deleted',
  'identity_unlinked',
  'key_revoked',
];
const UPSTREAM_FAILURES = [
  'unavailable',
  'timeout',
  'refused',
  'invalid_response',
  'wrong_issuer',
  'stale_sign_in',
  'domain_not_allowed',
  'spent',
  'expired',
  'foreign',
  'disabled',
];
const SIGN_IN_REASONS = [...SIGN_IN_REFUSALS, ...SIGN_IN_LIMITS];
const EVENT_TYPES = Object.values(eventKinds).map(({ type }) => type);
const KEY_EVENT_TYPES = EVENT_TYPES.filter((type) => /^(?:signing_key|secret|keys)\./.test(type));

function oneOf(values: readonly string[]): (value: unknown) => string {
  const known = new Set<unknown>(values);
  return (value) => (known.has(value) ? (value as string) : OTHER);
}

/**
 * Every event as a figure, from the place where all of them are recorded. Undefined where nobody reads figures. Series of few
 * values begin at 0, so that the first event of its kind is an increase like any other.
 */
export function countEvents(metrics: Metrics, { providers }: { providers: readonly string[] }): CountEvent | undefined {
  if (!metrics.isRead) return undefined;
  const grantTypeOf = oneOf(GRANT_TYPES);
  const tokenKindOf = oneOf(TOKEN_KINDS);
  const errorOf = oneOf(TOKEN_ERRORS);
  const endOf = oneOf(SESSION_ENDS);
  const providerOf = oneOf(providers);
  const failureOf = oneOf(UPSTREAM_FAILURES);
  const reasonOf = oneOf(SIGN_IN_REASONS);
  const methodOf = (provider: string | undefined) => (provider === undefined ? 'password' : providerOf(provider));

  const event = metrics.counter('daemun_events_total', 'Everything that the audit log has, by type.', ['type']);
  const keyEvent = metrics.counter('daemun_key_events_total', 'Changes of keys and secrets.', ['kind']);
  const signIn = metrics.counter('daemun_sign_ins_total', 'Sign-ins, and why they came to nothing.', [
    'outcome',
    'method',
    'reason',
  ]);
  const tokenIssued = metrics.counter('daemun_tokens_issued_total', 'Tokens issued.', ['grant_type', 'kind']);
  const tokenRefused = metrics.counter('daemun_tokens_refused_total', 'Requests for tokens refused.', ['error']);
  const sessionStarted = metrics.counter('daemun_sessions_started_total', 'Sessions started.', []);
  const sessionEnded = metrics.counter('daemun_sessions_ended_total', 'Sessions ended before their time.', ['reason']);
  const upstreamFailed = metrics.counter('daemun_upstream_failures_total', 'Sign-ins that failed at an upstream.', [
    'provider',
    'reason',
  ]);
  for (const type of EVENT_TYPES) event({ type }, 0);
  for (const kind of KEY_EVENT_TYPES) keyEvent({ kind }, 0);
  for (const error of [...TOKEN_ERRORS, OTHER]) tokenRefused({ error }, 0);
  for (const reason of [...SESSION_ENDS, OTHER]) sessionEnded({ reason }, 0);
  for (const method of ['password', ...providers]) signIn({ outcome: 'succeeded', method, reason: '' }, 0);

  const isKeyEvent = new Set(KEY_EVENT_TYPES);
  const invalidGrant = () => tokenRefused({ error: 'invalid_grant' });
  const effects: Effects = {
    signInSucceeded: ({ provider }) => signIn({ outcome: 'succeeded', method: methodOf(provider), reason: '' }),
    signInFailed: ({ provider, reason }) =>
      signIn({ outcome: 'failed', method: methodOf(provider), reason: reasonOf(reason) }),
    signInThrottled: ({ limit }) => signIn({ outcome: 'throttled', method: 'password', reason: reasonOf(limit) }),
    upstreamSignInFailed: ({ provider, reason }) =>
      upstreamFailed({ provider: providerOf(provider), reason: failureOf(reason) }),
    tokenIssued: ({ grantType, kind }) => tokenIssued({ grant_type: grantTypeOf(grantType), kind: tokenKindOf(kind) }),
    tokenRefused: ({ error }) => tokenRefused({ error: errorOf(error) }),
    // What the client is told.
    codeReplayed: invalidGrant,
    refreshTokenReplayed: invalidGrant,
    sessionStarted: () => sessionStarted(),
    sessionEnded: ({ reason }) => sessionEnded({ reason: endOf(reason) }),
    userDisabled: ({ sessionsEnded }) => sessionEnded({ reason: 'user_disabled' }, sessionsEnded),
    userDeleted: ({ sessionsEnded }) => sessionEnded({ reason: 'user_deleted' }, sessionsEnded),
    identityUnlinked: ({ sessionsEnded = 0 }) => sessionEnded({ reason: 'identity_unlinked' }, sessionsEnded),
    sessionsEndedWithKey: ({ sessionsEnded }) => sessionEnded({ reason: 'key_revoked' }, sessionsEnded),
  };

  return (name, details) => {
    const { type } = eventKinds[name];
    event({ type });
    if (isKeyEvent.has(type)) keyEvent({ kind: type });
    (effects[name] as ((details: object) => void) | undefined)?.(details);
  };
}

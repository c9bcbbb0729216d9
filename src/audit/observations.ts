import { createBoundedLog } from '../platform/bounded-log.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import { printable } from '../platform/printable.ts';
import { type AuditContext, SIGN_IN_LIMITS, type SignInLimit } from './audit-event.ts';

/** What was shown to us as a proof. */
export const PROOFS = [
  'access_token',
  'introspected_token',
  'id_token_hint',
  'client_assertion',
  'dpop_proof',
  'request_object',
] as const;
export type Proof = (typeof PROOFS)[number];

/** `unknown`: well formed, and not, or no longer, ours: never issued, expired, revoked. Which of them nobody looks up. */
export const VERIFICATION_CAUSES = [
  'form',
  'expired',
  'signature',
  'unknown_key',
  'unknown',
  'replayed',
  'claims',
  'binding',
] as const;
export type VerificationCause = (typeof VERIFICATION_CAUSES)[number];

/** Why an API key was refused. Whoever presented it is told none of these. */
export const API_KEY_REFUSALS = [
  'malformed',
  'checksum',
  'unknown',
  'revoked',
  'expired',
  'address',
  'owner_disabled',
  'resource',
  'scope',
] as const;
export type ApiKeyRefusal = (typeof API_KEY_REFUSALS)[number];

/** Why a request to our own API was not answered. Whoever asks is told the status that it comes to. */
export const API_CALL_REFUSALS = [
  'no_credential',
  'unknown_scheme',
  'ambiguous',
  'session_ended',
  'api_key',
  'access_token',
  'owner_disabled',
  'cross_site',
  'scope',
  'not_administrator',
  'stale_sign_in',
  'too_many_requests',
] as const;
export type ApiCallRefusal = (typeof API_CALL_REFUSALS)[number];

/** One function for each thing that is watched. */
export interface Observations {
  verificationFailed(of: { proof: Proof; cause: VerificationCause; clientId?: string }, by: AuditContext): void;
  /** `apiKey`: its id, where it is one of ours. */
  apiKeyRefused(of: { cause: ApiKeyRefusal; apiKey?: string }, by: AuditContext): void;
  apiCallRefused(of: { cause: ApiCallRefusal; operation: string }, by: AuditContext): void;
  /** 401: who it is was not proven; 403: it was, and is not enough. */
  permissionRefused(of: { status: 401 | 403; route: string }, by: AuditContext): void;
  /** By the engine, of no client of ours or over a limit. Its figure is that of all requests, by route and status. */
  requestRefused(of: { route: string; error: string }, by: AuditContext): void;
  /** A try with a password that a limit refused. That the limit began to is in the audit log. */
  signInBlocked(of: { limit: SignInLimit; userId?: string }, by: AuditContext): void;
  /** An upstream said who somebody is. What it failed at is in the audit log. */
  upstreamAnswered(of: { provider: string }, by: AuditContext): void;
  /** From now on this node signs and publishes with these. */
  keysLoaded(set: { version: number; keys: readonly { kid: string }[] }): void;
}

export interface ObservationsOptions {
  logger: Pick<Logger, 'info'>;
  metrics: Metrics;
  /** Names that may be in a label. */
  providers: readonly string[];
}

/**
 * What is to be seen and is no record: strangers cause it as often as they like, so it is a figure, and a log line up to so many a
 * minute, and nothing that has to be stored. S-175
 */
export function createObservations({ logger, metrics, providers }: ObservationsOptions): Observations {
  const mayLog = createBoundedLog();
  const failed = metrics.counter(
    'daemun_verifications_failed_total',
    'Tokens, assertions and proofs that were presented and did not hold.',
    ['proof', 'cause'],
  );
  const keyRefused = metrics.counter(
    'daemun_api_keys_refused_total',
    'API keys that were presented and did not hold.',
    ['cause'],
  );
  const callRefused = metrics.counter(
    'daemun_api_calls_refused_total',
    'Requests to our own API that were not answered, by what was wrong with whoever asked.',
    ['cause'],
  );
  const refused = metrics.counter('daemun_permissions_refused_total', 'Requests answered by 401 and by 403.', [
    'status',
    'route',
  ]);
  const blocked = metrics.counter('daemun_sign_ins_blocked_total', 'Tries to sign in that a limit refused.', ['limit']);
  const answered = metrics.counter('daemun_upstream_answers_total', 'Times that an upstream said who a person is.', [
    'provider',
  ]);
  const loaded = metrics.counter('daemun_key_sets_loaded_total', 'Key sets that this node began to use.', []);
  for (const proof of PROOFS) for (const cause of VERIFICATION_CAUSES) failed({ proof, cause }, 0);
  for (const cause of API_KEY_REFUSALS) keyRefused({ cause }, 0);
  for (const cause of API_CALL_REFUSALS) callRefused({ cause }, 0);
  for (const limit of SIGN_IN_LIMITS) blocked({ limit }, 0);
  for (const provider of providers) answered({ provider }, 0);

  function log(kind: string, type: string, of: object, by: AuditContext = {}): void {
    const leftOut = mayLog(kind);
    if (leftOut === undefined) return;
    logger.info(printable({ ...by, ...(leftOut > 0 && { leftOut }), details: of }), type);
  }

  return {
    verificationFailed({ proof, cause, clientId }, by) {
      failed({ proof, cause });
      log(`verification ${proof} ${cause}`, 'verification.failed', { proof, cause, clientId }, by);
    },
    apiKeyRefused({ cause, apiKey }, by) {
      keyRefused({ cause });
      log(`api key ${cause}`, 'api_key.refused', { cause, ...(apiKey && { apiKey }) }, by);
    },
    apiCallRefused({ cause, operation }, by) {
      callRefused({ cause });
      log(`api call ${cause}`, 'api_call.refused', { cause, operation }, by);
    },
    permissionRefused({ status, route }, by) {
      refused({ status: String(status), route });
      log(`permission ${status} ${route}`, 'permission.refused', { status, route }, by);
    },
    requestRefused({ route, error }, by) {
      log(`request ${route} ${error}`, 'request.refused', { route, error }, by);
    },
    signInBlocked({ limit, userId }, by) {
      blocked({ limit });
      log(`sign-in ${limit}`, 'sign_in.blocked', { limit, ...(userId && { userId }) }, by);
    },
    upstreamAnswered({ provider }, by) {
      answered({ provider: providers.includes(provider) ? provider : 'other' });
      log(`upstream ${provider}`, 'upstream.answered', { provider }, by);
    },
    keysLoaded({ version, keys }) {
      loaded();
      log('keys', 'keys.loaded', { version, kids: keys.map(({ kid }) => kid) });
    },
  };
}

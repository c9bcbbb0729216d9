/** Where a request came from and who acted, when it was not the person the event is about. */
export interface AuditContext {
  address?: string;
  requestId?: string;
  /** "cli", "system", or the id of an administrator. */
  actor?: string;
}

type Person = { userId: string };
type Client = { clientId: string };
type OfSession = { sessionId?: string };
type Upstream = { provider: string };
/** `apiKey` is its id, `hint` the end of its value. */
type ApiKey = { apiKey: string; name: string; hint: string; owner: string; userId?: string; serviceAccount?: string };
type ServiceAccount = { serviceAccount: string; name: string };
type SigningKey = { kid: string; algorithm: string };

export const SIGN_IN_REFUSALS = [
  'unknown_user',
  'no_password',
  'wrong_password',
  'account_disabled',
  // Through an upstream.
  'email_missing',
  'password_needed',
  'email_not_verified',
  'sign_up_closed',
  'domain_not_allowed',
  'other_account',
  'identity_taken',
] as const;
type SignInRefusal = (typeof SIGN_IN_REFUSALS)[number];
export const SIGN_IN_LIMITS = ['address', 'account', 'device'] as const;
export type SignInLimit = (typeof SIGN_IN_LIMITS)[number];

/** What each event says beyond its context. `userId`, `clientId` and `sessionId` become columns, the rest `details`. Never a secret. */
export interface AuditDetails {
  signInSucceeded: Person & { amr: string[]; knownDevice?: boolean; provider?: string };
  signInFailed: { userId?: string; provider?: string; reason: SignInRefusal };
  /** A limit begins to refuse. */
  signInThrottled: { userId?: string; limit: SignInLimit; retryAfter: number };
  upstreamSignInFailed: { provider: string; reason: string; problem?: string };
  upstreamConnectionDisabled: { provider: string };
  upstreamConnectionEnabled: { provider: string };
  sessionStarted: Person & { sessionId: string; amr: string[]; provider?: string; device?: string };
  sessionEnded: { sessionId: string; userId?: string; reason?: string };
  passwordChanged: Person & { how: 'invitation' };
  passwordHashUpgraded: Person & { from: string; to: string };
  invitationCreated: Person;
  setupLinkCreated: Record<never, never>;
  userCreated: Person & { isAdministrator?: boolean };
  accountCreatedBySignUp: Person & Upstream;
  identityLinkRequired: Person & Upstream;
  identityLinked: Person & Upstream & { addressVerified?: boolean };
  identityUnlinked: Person & Upstream & { sessionsEnded?: number };
  administratorCreated: Person & { how: 'setup' | 'administration' };
  userDisabled: Person & { sessionsEnded: number };
  userEnabled: Person;
  userDeleted: Person & { sessionsEnded: number };
  clientCreated: Client & { name: string };
  clientUpdated: Client & { changed: string[] };
  clientDisabled: Client;
  clientEnabled: Client;
  /** What a disabling that was cut short had left. */
  clientAccessEnded: Client & { grantsEnded: number; tokensEnded: number };
  clientSecretRotated: Client & { overlapSeconds?: number };
  resourceServerCreated: { resource: string; name?: string };
  resourceServerUpdated: { resource: string; changed: string[] };
  consentGranted: Person &
    Client &
    OfSession & { scopes: string[]; claims?: string[]; resourceScopes?: Record<string, string[]> };
  consentDenied: Person & Client & OfSession;
  consentWithdrawn: Person & Client;
  authorizationRefused: { clientId?: string; userId?: string; error: string };
  /** `apiKey`: the id of the key that it was exchanged for. */
  tokenIssued: Client &
    OfSession & { userId?: string; kind: string; grantType: string; resource?: string | string[] } & {
      apiKey?: string;
      serviceAccount?: string;
    };
  /** `codeVoided`: by as many wrong verifiers as there may be, of which this was the last. */
  tokenRefused: { clientId?: string; userId?: string; error: string; grantType?: string; codeVoided?: true };
  /** A limit begins to refuse a registered client: by what it asks, or by how often it was not the client. */
  clientThrottled: Client & { limit: 'requests' | 'failures'; retryAfter: number };
  tokenRevoked: Client & OfSession & { userId?: string; kind: string };
  grantRevoked: OfSession & { userId?: string; clientId?: string; reason?: string };
  codeReplayed: Client & OfSession & { userId?: string };
  refreshTokenReplayed: Client & OfSession & { userId?: string };
  signingKeyStaged: SigningKey;
  signingKeyPublished: SigningKey;
  signingKeyActivated: SigningKey & { early?: boolean; reason?: string };
  signingKeyRetired: SigningKey & { reason?: string };
  signingKeyErased: SigningKey;
  signingKeyArchived: SigningKey;
  signingKeyDestroyed: SigningKey;
  signingKeyRevoked: SigningKey & { reason: string };
  signingKeyHeld: { kid: string };
  signingKeyReleased: { kid: string };
  sessionsEndedWithKey: { kid: string; sessionsEnded: number };
  secretStaged: { secret: string; purpose: string };
  secretRotated: { secret: string; purpose: string; before?: string; early?: boolean; reason: 'period' | 'order' };
  secretDeleted: { secret: string; purpose: string };
  keysRewrapped: { kekId: string; rows: Record<string, number> };
  outboxEffectRetried: { effect: string; kind: string };
  apiKeyCreated: ApiKey & { access: Record<string, string[]> };
  apiKeyChanged: ApiKey & { changed: string[]; access?: Record<string, string[]> };
  apiKeyRotated: ApiKey & { replaces: string; overlapSeconds: number };
  apiKeyRevoked: ApiKey & { reason?: string; foundAt?: string };
  serviceAccountCreated: ServiceAccount & { access: Record<string, string[]> };
  serviceAccountChanged: ServiceAccount & { changed: string[]; access?: Record<string, string[]> };
  serviceAccountDisabled: ServiceAccount;
  serviceAccountEnabled: ServiceAccount;
  serviceAccountDeleted: ServiceAccount & { apiKeysRevoked: number };
}

export type AuditEventName = keyof AuditDetails;

/** One function per business event, each answering with what became of it. */
export type AuditFunctions<Result> = {
  [Name in AuditEventName]: (details: AuditDetails[Name], by: AuditContext) => Result;
};

/** The promise is kept once the row is stored. */
export type AuditWriter = AuditFunctions<Promise<void>>;

interface EventKind {
  /** As it is stored. */
  type: string;
  level: 'info' | 'warn';
}

const info = (type: string): EventKind => ({ type, level: 'info' });
const warn = (type: string): EventKind => ({ type, level: 'warn' });

/** The stored type of each event, and how loud its log line is. */
export const eventKinds: Record<AuditEventName, EventKind> = {
  signInSucceeded: info('sign_in.succeeded'),
  signInFailed: info('sign_in.failed'),
  signInThrottled: warn('sign_in.throttled'),
  upstreamSignInFailed: info('upstream.sign_in_failed'),
  upstreamConnectionDisabled: warn('upstream.connection_disabled'),
  upstreamConnectionEnabled: warn('upstream.connection_enabled'),
  sessionStarted: info('session.started'),
  sessionEnded: info('session.ended'),
  passwordChanged: info('password.changed'),
  passwordHashUpgraded: info('password.hash_upgraded'),
  invitationCreated: info('invitation.created'),
  setupLinkCreated: info('setup_link.created'),
  userCreated: info('user.created'),
  accountCreatedBySignUp: info('user.signed_up'),
  identityLinkRequired: info('identity.link_required'),
  identityLinked: info('identity.linked'),
  identityUnlinked: info('identity.unlinked'),
  administratorCreated: warn('administrator.created'),
  userDisabled: info('user.disabled'),
  userEnabled: info('user.enabled'),
  userDeleted: info('user.deleted'),
  clientCreated: info('client.created'),
  clientUpdated: info('client.updated'),
  clientDisabled: info('client.disabled'),
  clientEnabled: info('client.enabled'),
  clientAccessEnded: info('client.access_ended'),
  clientSecretRotated: info('client.secret_rotated'),
  resourceServerCreated: info('resource_server.created'),
  resourceServerUpdated: info('resource_server.updated'),
  consentGranted: info('consent.granted'),
  consentDenied: info('consent.denied'),
  consentWithdrawn: info('consent.withdrawn'),
  authorizationRefused: info('authorization.refused'),
  tokenIssued: info('token.issued'),
  tokenRefused: info('token.refused'),
  clientThrottled: warn('client.throttled'),
  tokenRevoked: info('token.revoked'),
  grantRevoked: info('grant.revoked'),
  codeReplayed: warn('code.replayed'),
  refreshTokenReplayed: warn('refresh_token.replayed'),
  signingKeyStaged: info('signing_key.staged'),
  signingKeyPublished: info('signing_key.published'),
  signingKeyActivated: info('signing_key.activated'),
  signingKeyRetired: info('signing_key.retired'),
  signingKeyErased: info('signing_key.erased'),
  signingKeyArchived: info('signing_key.archived'),
  signingKeyDestroyed: info('signing_key.destroyed'),
  signingKeyRevoked: warn('signing_key.revoked'),
  signingKeyHeld: info('signing_key.held'),
  signingKeyReleased: info('signing_key.released'),
  sessionsEndedWithKey: warn('sessions.ended_with_key'),
  secretStaged: info('secret.staged'),
  secretRotated: info('secret.rotated'),
  secretDeleted: info('secret.deleted'),
  keysRewrapped: warn('keys.rewrapped'),
  outboxEffectRetried: info('outbox.effect_retried'),
  apiKeyCreated: info('api_key.created'),
  apiKeyChanged: info('api_key.changed'),
  apiKeyRotated: info('api_key.rotated'),
  apiKeyRevoked: info('api_key.revoked'),
  serviceAccountCreated: info('service_account.created'),
  serviceAccountChanged: info('service_account.changed'),
  serviceAccountDisabled: info('service_account.disabled'),
  serviceAccountEnabled: info('service_account.enabled'),
  serviceAccountDeleted: info('service_account.deleted'),
};

export interface NamedEvent extends EventKind {
  name: AuditEventName;
}

/** Functions that hand every event to `record`. */
export function createAuditFunctions<Result>(
  record: (event: NamedEvent, details: Record<string, unknown>, by: AuditContext) => Result,
): AuditFunctions<Result> {
  const functions = Object.entries(eventKinds).map(([name, kind]) => {
    const event = { name: name as AuditEventName, ...kind };
    return [name, (details: Record<string, unknown>, by: AuditContext) => record(event, details, by)];
  });
  return Object.fromEntries(functions) as AuditFunctions<Result>;
}

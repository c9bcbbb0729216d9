import type { UserSessions } from '../accounts/sessions.ts';
import type { ValidApiKey } from '../api-keys/api-key-check.ts';
import type { Audit, AuditContext, PreparedEvent } from '../audit/audit.ts';
import type { Observations } from '../audit/observations.ts';
import type { DescribeEnd, EndRecord } from './artifact-ends.ts';
import type { DescribeIssue } from './artifact-token-request.ts';
import { auditContextOf } from './audit-context.ts';
import type { EngineContext, Provider } from './engine.ts';
import { exchangedKeyOf } from './grants/token-exchange.ts';
import { isWrongVerifier } from './wrong-verifiers.ts';

interface AnyToken {
  kind: string;
  clientId?: string;
  accountId?: string;
  aud?: string;
  sessionUid?: string;
  extra?: { sub?: string };
}

/** As `tooManyRequests` says it. */
const OVER_A_LIMIT = 'temporarily_unavailable';

/** Answers to `prompt=none`, which browsers are sent to ask for over and over. */
const SILENT_ANSWERS = ['login_required', 'consent_required', 'interaction_required'];

/** What the token endpoint issued, to be stored together with it. S-175 */
export function describeIssueFor({ prepare }: Pick<Audit, 'prepare'>): DescribeIssue {
  return (ctx) => {
    const { AccessToken, ClientCredentials } = ctx.oidc.entities;
    const { clientId, aud, accountId, sessionUid, extra } = (AccessToken ?? ClientCredentials) as AnyToken;
    const apiKey = exchangedKeyOf(ctx);
    const details = {
      kind: 'access_token',
      clientId: clientId!,
      grantType: grantTypeOf(ctx),
      ...(apiKey ? aboutOwner(apiKey) : accountId !== undefined && { userId: accountId }),
      ...(ClientCredentials && extra?.sub !== undefined && { serviceAccount: extra.sub }),
      ...(sessionUid !== undefined && { sessionId: sessionUid }),
      ...(aud !== undefined && { resource: aud }),
    };
    return prepare.tokenIssued(details, contextOf(ctx));
  };
}

/** A wrong proof, to be stored by the statement that counts it. Whose the code was is for that to say. S-034 S-175 */
export function describeWrongProofFor({ prepare }: Pick<Audit, 'prepare'>) {
  return (ctx: EngineContext, error: string): PreparedEvent =>
    prepare.tokenRefused({ ...clientOf(ctx), error, grantType: grantTypeOf(ctx) }, contextOf(ctx));
}

/** Requests whose replay is on record, with what it ended. */
const replaysRecorded = new WeakSet<object>();

/** What a request ends, to be stored by the statement that ends it. Whose a session or a grant was is for that to say. S-175 */
export function describeEndFor(
  { prepare }: Pick<Audit, 'prepare'>,
  sessions: Pick<UserSessions, 'prepareEnd'>,
): DescribeEnd {
  return (ctx, ended, presented) => {
    const { route, session, entities } = ctx.oidc;
    if (ended === 'session') return sessions.prepareEnd(session!.uid, contextOf(ctx));
    if (route === 'token') return describeReplay(ctx, presented);
    const { RefreshToken, AccessToken, ClientCredentials } = entities;
    const token = (RefreshToken ?? AccessToken ?? ClientCredentials) as AnyToken | undefined;
    const sessionId = token ? token.sessionUid : session?.uid;
    const about = {
      ...clientOf(ctx),
      ...(token?.accountId !== undefined && { userId: token.accountId }),
      ...(sessionId !== undefined && { sessionId }),
    };
    if (ended === 'grant') return prepare.grantRevoked({ ...about, reason: route }, contextOf(ctx));
    return prepare.tokenRevoked({ ...about, clientId: token!.clientId!, kind: token!.kind }, contextOf(ctx));
  };

  /** The token endpoint ends something only when it is presented a second time. */
  function describeReplay(ctx: EngineContext, presented: { sessionId?: string }): EndRecord {
    const { AuthorizationCode, RotatedRefreshToken, RefreshToken } = ctx.oidc.entities;
    const { accountId, sessionUid } = (AuthorizationCode ?? RotatedRefreshToken ?? RefreshToken ?? {}) as AnyToken;
    const sessionId = sessionUid ?? presented.sessionId;
    const about = {
      clientId: ctx.oidc.client!.clientId,
      ...(accountId !== undefined && { userId: accountId }),
      ...(sessionId !== undefined && { sessionId }),
    };
    const isRefresh = grantTypeOf(ctx) === 'refresh_token';
    const event = prepare[isRefresh ? 'refreshTokenReplayed' : 'codeReplayed'](about, contextOf(ctx));
    return {
      row: event.row,
      stored() {
        replaysRecorded.add(ctx);
        event.stored();
      },
    };
  }
}

/**
 * The engine's other events as business events. They are queued, for nothing changes by them, and an answer does not wait for its
 * record. What strangers could write without end is watched and no record: requests of no client of ours, and what is over a
 * limit. S-175
 */
export function recordEvents(
  provider: Provider,
  { queue }: Pick<Audit, 'queue'>,
  observations: Pick<Observations, 'requestRefused'> | undefined,
): void {
  function passOver(ctx: EngineContext, error: string): void {
    observations?.requestRefused({ route: ctx.oidc.route, error }, contextOf(ctx));
  }

  provider.on('grant.error', (ctx, failure) => {
    // On record with what it ended; one that found nothing to end any more is a refusal like others.
    if (replaysRecorded.has(ctx) || isWrongVerifier(failure)) return;
    const { error } = failure;
    const client = clientOf(ctx);
    // How often a client may be wrong is limited, whether there is one or not.
    if (error === OVER_A_LIMIT || !('clientId' in client || error === 'invalid_client')) return passOver(ctx, error);
    const userId = ctx.oidc.entities.RefreshToken?.accountId;
    const person = userId === undefined ? {} : { userId };
    queue.tokenRefused({ ...client, ...person, error, grantType: grantTypeOf(ctx) }, contextOf(ctx));
  });

  for (const event of ['introspection.error', 'revocation.error', 'pushed_authorization_request.error'] as const) {
    provider.on(event as 'introspection.error', (ctx, { error }) => {
      if (error === 'invalid_client') queue.tokenRefused({ ...clientOf(ctx), error }, contextOf(ctx));
    });
  }

  provider.on('authorization.error', (ctx, { error }) => {
    if (SILENT_ANSWERS.includes(error)) return;
    const client = clientOf(ctx);
    if (error === OVER_A_LIMIT || !('clientId' in client)) return passOver(ctx, error);
    const userId = ctx.oidc.session?.accountId;
    queue.authorizationRefused({ ...client, ...(userId && { userId }), error }, contextOf(ctx));
  });
}

function aboutOwner({ id, owner }: ValidApiKey) {
  return {
    apiKey: id,
    ...(owner.kind === 'user' && { userId: owner.id }),
    ...(owner.kind === 'service_account' && { serviceAccount: owner.id }),
  };
}

/** A registered client only; what a stranger wrote into the request is no fact. */
function clientOf(ctx: EngineContext): { clientId: string } | Record<never, never> {
  return ctx.oidc.client ? { clientId: ctx.oidc.client.clientId } : {};
}

function grantTypeOf(ctx: EngineContext): string {
  return String(ctx.oidc.params?.grant_type ?? '').slice(0, 100);
}

function contextOf(ctx: EngineContext): AuditContext {
  return auditContextOf(ctx.state);
}

import type { ValidApiKey } from '../api-keys/api-key-check.ts';
import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Observations } from '../audit/observations.ts';
import type { DescribeIssue } from './artifact-token-request.ts';
import { auditContextOf } from './audit-context.ts';
import type { EngineContext, Provider } from './engine.ts';
import { exchangedKeyOf } from './grants/token-exchange.ts';

interface AnyToken {
  kind: string;
  clientId?: string;
  accountId?: string;
  aud?: string;
  sessionUid?: string;
  extra?: { sub?: string };
}

/** Details the engine and the store give when something is presented a second time. */
const REPLAYED_CODE = 'authorization code already consumed';
const REPLAYED_REFRESH_TOKEN = 'refresh token already used';

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

/** Records of what a request ended. */
const ends = new WeakMap<object, Promise<void>[]>();

function keep(ctx: EngineContext, record: Promise<void>): void {
  const records = ends.get(ctx) ?? [];
  ends.set(ctx, records);
  records.push(record);
}

/** Kept once all that this request ended is on record: then nobody is told of an end that nothing tells of. S-175 */
export function endsRecorded(ctx: EngineContext): Promise<unknown> | undefined {
  const records = ends.get(ctx);
  return records && Promise.all(records);
}

/**
 * The engine's other events as business events. They are queued, for nothing changes by them, and an answer does not wait for its
 * record; except by those that end something, for which `endsRecorded` waits. What strangers could write without end is watched
 * and no record: requests of no client of ours, and what is over a limit. S-175
 */
export function recordEvents(
  provider: Provider,
  { queue }: Pick<Audit, 'queue'>,
  observations: Pick<Observations, 'requestRefused'> | undefined,
): void {
  function passOver(ctx: EngineContext, error: string): void {
    observations?.requestRefused({ route: ctx.oidc.route, error }, contextOf(ctx));
  }

  provider.on('grant.error', (ctx, { error, error_detail: detail }) => {
    const client = clientOf(ctx);
    // How often a client may be wrong is limited, whether there is one or not.
    if (error === OVER_A_LIMIT || !('clientId' in client || error === 'invalid_client')) return passOver(ctx, error);
    const userId = ctx.oidc.entities.RefreshToken?.accountId;
    const person = userId === undefined ? {} : { userId };
    if ('clientId' in client && detail === REPLAYED_CODE) {
      keep(ctx, queue.codeReplayed(client, contextOf(ctx)));
    } else if ('clientId' in client && detail === REPLAYED_REFRESH_TOKEN) {
      keep(ctx, queue.refreshTokenReplayed({ ...client, ...person }, contextOf(ctx)));
    } else {
      queue.tokenRefused({ ...client, ...person, error, grantType: grantTypeOf(ctx) }, contextOf(ctx));
    }
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

  provider.on('grant.revoked', (ctx) => {
    // At the token endpoint it follows a replay, which is an event of its own.
    if (ctx.oidc.route === 'token') return;
    const { RefreshToken, AccessToken } = ctx.oidc.entities;
    const userId = RefreshToken?.accountId ?? AccessToken?.accountId ?? ctx.oidc.session?.accountId;
    const { route: reason } = ctx.oidc;
    keep(ctx, queue.grantRevoked({ ...clientOf(ctx), ...(userId && { userId }), reason }, contextOf(ctx)));
  });
}

/** The engine has no event for a revocation that also says who asked. Kept once it is stored: the answer waits for its record. */
export async function recordRevocation(ctx: EngineContext, { queue }: Pick<Audit, 'queue'>): Promise<void> {
  const { RefreshToken, AccessToken, ClientCredentials } = ctx.oidc.entities;
  const token = (RefreshToken ?? AccessToken ?? ClientCredentials) as AnyToken | undefined;
  const clientId = ctx.oidc.client?.clientId;
  if (ctx.oidc.route !== 'revocation' || ctx.status !== 200 || !token || token.clientId !== clientId) return;
  const { kind, accountId } = token;
  await queue.tokenRevoked(
    { clientId: clientId!, kind, ...(accountId !== undefined && { userId: accountId }) },
    contextOf(ctx),
  );
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

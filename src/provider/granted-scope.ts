import { type Client, type EngineContext, errors } from './engine.ts';

type GetResourceServerInfo = (ctx: EngineContext, indicator: string, client: Client) => Promise<{ scope: string }>;

const NONE = 'none of the requested scopes can be granted';

/**
 * The engine drops scopes that do not exist and answers even when none is left. Here such a request fails, as it does at the
 * authorization endpoint; what the request had stored is not written then. One that gets an ID token gets something.
 * @see RFC 6749 3.3, 5.2 (S-053)
 */
export function refusingEmptyScope(handler: (ctx: EngineContext) => Promise<void>) {
  return async function answer(ctx: EngineContext): Promise<void> {
    const { oidc } = ctx;
    // The engine takes away from it what it does not know.
    const asked = oidc.params!.scope as string | undefined;
    await handler(ctx);
    const { AuthorizationCode, ClientCredentials } = oidc.entities;
    const { id_token: idToken, scope } = ctx.body as { id_token?: string; scope?: string };
    const wanted = ClientCredentials ? asked : AuthorizationCode?.scope;
    if (wanted && !scope && !idToken) throw new errors.InvalidScope(NONE, wanted);
  };
}

/**
 * The same for a refresh token, asked before it is rotated: a refused request must not cost the person another sign-in.
 * @throws InvalidScope, InvalidTarget
 */
export async function refuseEmptyRefresh(
  ctx: EngineContext,
  getResourceServerInfo: GetResourceServerInfo,
): Promise<void> {
  const { params, entities, client, requestParamScopes } = ctx.oidc;
  const token = entities.RefreshToken!;
  const grant = entities.Grant!;
  const wanted: Set<string> = params!.scope ? requestParamScopes : token.scopes;
  if (!wanted.size || wanted.has('openid')) return;
  const resource = (params!.resource ?? token.resource) as string | string[] | undefined;
  // Which of several is meant, and whether it may be, is the engine's to say.
  const [indicator, ...others] = [resource ?? []].flat();
  if (others.length) return;
  let granted = grant.getOIDCScopeFiltered(wanted);
  if (indicator !== undefined) {
    const offered = new Set((await getResourceServerInfo(ctx, indicator, client!)).scope.split(' '));
    granted = grant.getResourceScopeFiltered(indicator, new Set([...wanted].filter((scope) => offered.has(scope))));
  }
  if (!granted) throw new errors.InvalidScope(NONE, [...wanted].join(' '));
}

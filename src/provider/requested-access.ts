import { PROTOCOL_CLAIMS } from './claims.ts';
import { policyOf } from './client-policy.ts';
import { type EngineContext, errors } from './engine.ts';

/** What an authorization request asks for. */
export interface RequestedAccess {
  scopes: string[];
  claims: string[];
  /** `indicator` is the spelling of the request, by which the engine knows it; `identifier` the registered one. */
  resources: { indicator: string; identifier: string; scopes: string[] }[];
}

/** @throws InvalidScope when nothing that was asked for exists here, or the client may not ask for it (S-053) */
export function requestedAccess({ oidc }: EngineContext): RequestedAccess {
  const params = oidc.params as { scope?: string };
  const servers = Object.entries(oidc.resourceServers ?? {});
  // RFC 6749 3.3: no scope means our default. MCP clients send none.
  if (params.scope === undefined) {
    params.scope = [...new Set(servers.flatMap(([, server]) => [...server.scopes]))].join(' ') || 'openid';
  }
  const scopes = [...oidc.requestParamOIDCScopes];
  const { identityScopes } = policyOf(oidc.client!);
  const refused = scopes.filter((scope) => identityScopes?.includes(scope) === false);
  if (refused.length) throw new errors.InvalidScope('requested scope is not allowed', refused.join(' '));

  const requested = oidc.requestParamScopes;
  const resources = servers.map(([indicator, server]) => ({
    indicator,
    identifier: server.audience ?? indicator,
    scopes: [...server.scopes].filter((scope) => requested.has(scope)),
  }));
  if (!scopes.length && resources.every((resource) => !resource.scopes.length)) {
    throw new errors.InvalidScope('none of the requested scopes exists here', params.scope);
  }
  return {
    scopes,
    claims: [...oidc.requestParamClaims].filter((claim) => !PROTOCOL_CLAIMS.includes(claim)),
    resources,
  };
}

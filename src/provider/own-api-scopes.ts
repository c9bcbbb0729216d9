import { isAdministrativeScope, ownApiIdentifier } from '../api-keys/own-api.ts';
import type { EngineContext } from './engine.ts';

/** The person of a request, as `find-account.ts` gives them to the engine. */
export interface EnginePerson {
  accountId: string;
  isAdministrator?: boolean;
}

export interface OwnApiScopes {
  /** Which of a resource server's scopes the person of this request may be given; all, while nobody is known. */
  offered(ctx: EngineContext, server: { identifier: string; scopes: { name: string }[] }): string[];
  /** The same for what an authorization request has named already, once its person is known. */
  narrow(ctx: EngineContext): void;
}

/**
 * Our own API has scopes that mean something only for administrators. Nobody else is asked to agree to them, and no token of anybody
 * else has them; what a token of an administrator has is looked at again at each use. S-174
 */
export function createOwnApiScopes(issuer: string): OwnApiScopes {
  const identifier = ownApiIdentifier(issuer);

  function isWithheld(ctx: EngineContext, server: string, scope: string): boolean {
    const person = ctx.oidc.account as unknown as EnginePerson | undefined;
    return server === identifier && isAdministrativeScope(scope) && person !== undefined && !person.isAdministrator;
  }

  return {
    offered: (ctx, server) =>
      server.scopes.map(({ name }) => name).filter((name) => !isWithheld(ctx, server.identifier, name)),

    narrow(ctx) {
      for (const server of Object.values(ctx.oidc.resourceServers ?? {})) {
        if (server.audience !== identifier) continue;
        server.scope = [...server.scopes].filter((name) => !isWithheld(ctx, identifier, name)).join(' ');
      }
    },
  };
}

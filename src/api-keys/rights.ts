import type { Problem } from '../clients/problem.ts';
import type { ResourceServer } from '../clients/resource-servers.ts';
import type { Access, OwnerKind } from './api-key.ts';
import { isAdministrativeScope, ownApiIdentifier } from './own-api.ts';

export type FindResourceServer = (
  identifier: string,
) => ResourceServer | undefined | Promise<ResourceServer | undefined>;

/** What an owner may at this moment, as far as it limits keys. */
export interface OwnerRights {
  kind: OwnerKind;
  isAdministrator: boolean;
  /** Of service accounts: what administrators gave them. */
  access?: Access;
}

/** Resource servers by the spelling that somebody used. */
export type KnownServers = ReadonlyMap<string, ResourceServer>;

export type CheckedAccess = { kind: 'valid'; access: Access } | { kind: 'refused'; problems: Problem[] };

export interface Rights {
  /** Looks up what `access` names. Not inside a transaction: it may need a connection of its own. */
  resolve(access: Access): Promise<KnownServers>;
  /**
   * What of `access` its owner may give or use now: resource servers and scopes that exist, administrative scopes only where they mean
   * something, for service accounts no more than they were given.
   */
  effective(access: Access, owner: OwnerRights): Promise<Access>;
  /** Whether all of `asked` may be given to a key of this owner. In the registered spelling. */
  check(asked: Access, owner: OwnerRights, servers: KnownServers): CheckedAccess;
}

export function createRights({ issuer, find }: { issuer: string; find: FindResourceServer }): Rights {
  const ownIdentifier = ownApiIdentifier(issuer);

  function mayUse(identifier: string, scope: string, { kind, isAdministrator, access }: OwnerRights): boolean {
    if (kind === 'service_account') return scopesIn(access, identifier)?.includes(scope) === true;
    return identifier !== ownIdentifier || !isAdministrativeScope(scope) || kind === 'system' || isAdministrator;
  }

  return {
    async resolve(access) {
      const found = await Promise.all(
        Object.keys(access).map(async (spelling) => [spelling, await find(spelling)] as const),
      );
      return new Map(found.filter((entry): entry is readonly [string, ResourceServer] => entry[1] !== undefined));
    },

    async effective(access, owner) {
      const effective: Access = {};
      for (const [identifier, scopes] of Object.entries(access)) {
        const found = find(identifier);
        const server = found && 'then' in found ? await found : found;
        if (!server || !mayCall(identifier, owner)) continue;
        effective[identifier] = scopes.filter((scope) => offers(server, scope) && mayUse(identifier, scope, owner));
      }
      return effective;
    },

    check(asked, owner, servers) {
      const problems: Problem[] = [];
      const access: Access = {};
      for (const [spelling, scopes] of Object.entries(asked)) {
        const field = `access.${spelling}`;
        const server = servers.get(spelling);
        if (!server || !mayCall(server.identifier, owner)) {
          problems.push({ field, message: 'is not a resource server that this owner may have keys for' });
          continue;
        }
        const { identifier } = server;
        const names = [...new Set([...(scopesIn(access, identifier) ?? []), ...scopes])].sort();
        for (const name of names) {
          if (offers(server, name) && mayUse(identifier, name, owner)) continue;
          problems.push({ field, message: `has the scope ${name}, which this owner cannot give` });
        }
        access[identifier] = names;
      }
      return problems.length > 0 ? { kind: 'refused', problems } : { kind: 'valid', access };
    },
  };
}

/** What of `access` is more than `within`; nothing without such a limit. */
export function problemsBeyond(access: Access, within: Access | undefined): Problem[] {
  if (!within) return [];
  return Object.entries(access).flatMap(([identifier, scopes]): Problem[] => {
    const field = `access.${identifier}`;
    const allowed = scopesIn(within, identifier);
    if (!allowed) return [{ field, message: 'is more than the key that is used may itself' }];
    return scopes
      .filter((scope) => !allowed.includes(scope))
      .map((scope) => ({ field, message: `has the scope ${scope}, which the key that is used has not itself` }));
  });
}

function offers({ scopes }: ResourceServer, scope: string): boolean {
  return scopes.some(({ name }) => name === scope);
}

function mayCall(identifier: string, { kind, access }: OwnerRights): boolean {
  return kind !== 'service_account' || scopesIn(access, identifier) !== undefined;
}

/** Names come from outside, and `constructor` is nobody's resource server. */
function scopesIn(access: Access | undefined, identifier: string): string[] | undefined {
  return access && Object.hasOwn(access, identifier) ? access[identifier] : undefined;
}

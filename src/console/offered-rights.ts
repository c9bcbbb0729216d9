import type { Access } from '../api-keys/api-key.ts';
import { isAdministrativeScope, ownApi } from '../api-keys/own-api.ts';
import type { ResourceServer } from '../clients/resource-servers.ts';
import type { RightsView, Words } from '../interactions/console-views.ts';
import { OWN_API_NAME, ownScopeWords } from '../interactions/own-api-words.ts';
import type { ListsResourceServers } from './ports.ts';

/** A resource server as somebody may choose of it. */
export interface Offered {
  identifier: string;
  name: Words;
  scopes: { name: string; description: Words }[];
}

/** Everything that a key of this person could be given now: our own API first. What may be given is decided by `api-keys`. */
export async function offeredRights(
  { issuer, resourceServers }: { issuer: string; resourceServers: ListsResourceServers },
  { isAdministrator }: { isAdministrator: boolean },
): Promise<Offered[]> {
  const own = ownApi(issuer);
  const scopes = own.scopes.filter(({ name }) => isAdministrator || !isAdministrativeScope(name));
  const inWords = scopes.map(({ name, description }) => {
    const message = ownScopeWords(name);
    return { name, description: message ? { message } : description };
  });
  const others = (await resourceServers.list()).map(({ identifier, name, scopes }: ResourceServer) => {
    return { identifier, name, scopes };
  });
  return [{ identifier: own.identifier, name: { message: OWN_API_NAME }, scopes: inWords }, ...others];
}

/** What a key may at this moment: what has gone since it was made is left out, as it is at use. */
export function rightsView(access: Access, offered: Offered[]): RightsView[] {
  return offered.flatMap(({ identifier, name, scopes }): RightsView[] => {
    const given = access[identifier];
    return given ? [{ name, scopes: scopes.filter((scope) => given.includes(scope.name)) }] : [];
  });
}

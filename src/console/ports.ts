import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { ResourceServers } from '../clients/resource-servers.ts';
import type { IdentityProvider } from '../provider/identity-provider.ts';

// What the pages ask of the rest of the service, no more. app.ts hands in the real things.

export type ManagesApiKeys = Pick<ApiKeys, 'create' | 'list' | 'find' | 'change' | 'rotate' | 'revoke'>;

export type ListsResourceServers = Pick<ResourceServers, 'list'>;

export type KnowsSessions = Pick<IdentityProvider, 'currentSession'>;

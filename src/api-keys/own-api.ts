import type { ResourceServer } from '../clients/resource-servers.ts';

export const OWN_API_PATH = '/api/v1';

interface OwnScope {
  name: string;
  /** People read it before they consent. */
  description: string;
  /** Means something only for administrators, service accounts that were given it, and the installation's own keys. */
  forAdministrators: boolean;
}

const own = (name: string, description: string): OwnScope => ({ name, description, forAdministrators: false });
const administrative = (name: string, description: string): OwnScope => ({
  name,
  description,
  forAdministrators: true,
});

export const OWN_API_SCOPES = [
  own('profile:read', 'Read your profile'),
  own('sessions:read', 'See where you are signed in'),
  own('sessions:write', 'Sign you out elsewhere'),
  own('api-keys:read', 'See your API keys, but not their values'),
  own('api-keys:write', 'Make, change and revoke your API keys'),
  administrative('users:read', 'Read everybody’s profile'),
  administrative('service-accounts:read', 'See service accounts'),
  administrative('service-accounts:write', 'Make, change and remove service accounts'),
  administrative('admin:api-keys:read', 'See everybody’s API keys, but not their values'),
  administrative('admin:api-keys:write', 'Make, change and revoke everybody’s API keys'),
] as const satisfies readonly OwnScope[];

export type OwnApiScope = (typeof OWN_API_SCOPES)[number]['name'];

const ADMINISTRATIVE = new Set<string>(
  OWN_API_SCOPES.filter(({ forAdministrators }) => forAdministrators).map(({ name }) => name),
);

export function isAdministrativeScope(scope: string): boolean {
  return ADMINISTRATIVE.has(scope);
}

/** The `resource` parameter and the `aud` of tokens for our own API. */
export function ownApiIdentifier(issuer: string): string {
  return `${issuer}${OWN_API_PATH}`;
}

/** Our own API as any other resource server. There is no row of it, and nobody can register another under its identifier. */
export function ownApi(issuer: string): ResourceServer {
  return {
    identifier: ownApiIdentifier(issuer),
    name: 'Daemun',
    scopes: OWN_API_SCOPES.map(({ name, description }) => ({ name, description })),
    accessTokenFormat: 'jwt',
  };
}

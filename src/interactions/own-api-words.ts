import type { Message, Translator } from '../platform/http/messages.ts';
import type { ConsentView } from './views.ts';

/** What our own API and its scopes are called on pages; elsewhere they have their English descriptions. */
export const OWN_API_NAME: Message = { key: 'own-api.name' };

const SCOPES = new Map<string, Message>([
  ['profile:read', { key: 'own-api.profile.read' }],
  ['sessions:read', { key: 'own-api.sessions.read' }],
  ['sessions:write', { key: 'own-api.sessions.write' }],
  ['api-keys:read', { key: 'own-api.api-keys.read' }],
  ['api-keys:write', { key: 'own-api.api-keys.write' }],
  ['users:read', { key: 'own-api.users.read' }],
  ['service-accounts:read', { key: 'own-api.service-accounts.read' }],
  ['service-accounts:write', { key: 'own-api.service-accounts.write' }],
  ['admin:api-keys:read', { key: 'own-api.admin.api-keys.read' }],
  ['admin:api-keys:write', { key: 'own-api.admin.api-keys.write' }],
]);

export function ownScopeWords(scope: string): Message | undefined {
  return SCOPES.get(scope);
}

/** What is asked for at our own API in the reader's language; other resource servers describe their scopes themselves. */
export function inReadersWords(
  resources: ConsentView['resources'],
  issuer: string,
  { text }: Pick<Translator, 'text'>,
): ConsentView['resources'] {
  return resources.map((resource) => {
    if (resource.identifier !== `${issuer}/api/v1`) return resource;
    const scopes = resource.scopes.map(({ name, description }) => {
      const words = ownScopeWords(name);
      return { name, description: words ? text(words) : description };
    });
    return { ...resource, name: text(OWN_API_NAME), scopes };
  });
}

import type { Clients } from '../clients/clients.ts';
import { playgroundClient } from './playground.ts';

const BY_START = { actor: 'system' };

/** Registers the built-in client of the playground, or moves it to the issuer of this start. */
export async function registerPlayground(clients: Pick<Clients, 'show' | 'create' | 'update'>, issuer: string) {
  const { id, name, redirectUri, postLogoutRedirectUri, scopes } = playgroundClient(issuer);
  const metadata = {
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [postLogoutRedirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    application_type: 'web',
    scope: scopes.join(' '),
  };
  const existing = await clients.show(id);
  if (existing?.metadata.redirect_uris?.includes(redirectUri)) return;
  const outcome = existing
    ? await clients.update(id, { metadata }, BY_START)
    : await clients.create({ id, name, metadata }, BY_START);
  if (outcome.kind === 'refused') {
    throw new Error(`the playground was not registered: ${outcome.problems.map(({ message }) => message).join(' ')}`);
  }
}

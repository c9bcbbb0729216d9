import type { Clients } from '../clients/clients.ts';
import { PLAYGROUND_CLIENT_ID, playgroundClient } from './playground.ts';

const BY_START = { actor: 'system' };

/** Registers the built-in client of the playground, or brings it back, moved to the issuer of this start. */
export async function registerPlayground(
  clients: Pick<Clients, 'find' | 'create' | 'update' | 'enable'>,
  issuer: string,
): Promise<void> {
  const { id, name, redirectUri, postLogoutRedirectUri, scopes } = playgroundClient(issuer);
  const metadata = {
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [postLogoutRedirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    application_type: 'web',
    scope: scopes.join(' '),
  };
  async function register(): Promise<string | undefined> {
    const existing = await clients.find(id);
    if (existing?.state === 'disabled') await clients.enable(id, BY_START);
    if (existing?.metadata.redirect_uris?.includes(redirectUri)) return undefined;
    const outcome = existing
      ? await clients.update(id, { metadata }, BY_START)
      : await clients.create({ id, name, metadata }, BY_START);
    return outcome.kind === 'refused' ? outcome.problems.map(({ message }) => message).join(' ') : undefined;
  }
  // Another node that starts in this moment may have been the first.
  const problem = (await register()) && (await register());
  if (problem) throw new Error(`the playground was not registered: ${problem}`);
}

/** Where there is no playground its client is worth nothing, whatever an earlier start left in the database. S-178 */
export async function retirePlayground(clients: Pick<Clients, 'find' | 'disable'>): Promise<void> {
  const existing = await clients.find(PLAYGROUND_CLIENT_ID);
  if (existing?.state !== 'active') return;
  await clients.disable(PLAYGROUND_CLIENT_ID, BY_START);
}

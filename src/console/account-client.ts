import type { RelyingParty } from '../clients/client.ts';
import { ACCOUNT_CLIENT_ID } from '../clients/client-id.ts';
import { API_KEYS_PATH, SIGNED_IN_PATH } from './paths.ts';

/**
 * The account pages as a relying party of their own. Public, since they never redeem a code; first party: nobody is asked whether
 * their own account may see itself. It is no row, so nobody can change it, or take its name.
 */
export function accountClient({ issuer, name }: { issuer: string; name: string }): RelyingParty {
  return {
    id: ACCOUNT_CLIENT_ID,
    name,
    metadata: {
      redirect_uris: [`${issuer}${SIGNED_IN_PATH}`],
      post_logout_redirect_uris: [],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'web',
      // Where the page after a sign-out leads back to.
      client_uri: `${issuer}${API_KEYS_PATH}`,
      scope: 'openid',
    },
    isFirstParty: true,
    requirePkce: true,
    resources: [],
    state: 'active',
    version: 1,
    secretDigests: [],
  };
}

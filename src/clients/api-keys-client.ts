import type { RelyingParty } from './client.ts';
import { API_KEYS_CLIENT_ID } from './client-id.ts';
import { TOKEN_EXCHANGE } from './client-metadata.ts';

/**
 * The client of everybody who has an API key and no client: public, and good for nothing but exchanging keys. It is no row, so
 * nobody can change it, or take its name. What it may is what the key may.
 */
export const API_KEYS_CLIENT: RelyingParty = {
  id: API_KEYS_CLIENT_ID,
  name: 'API keys',
  metadata: {
    redirect_uris: [],
    post_logout_redirect_uris: [],
    grant_types: [TOKEN_EXCHANGE],
    response_types: [],
    token_endpoint_auth_method: 'none',
    application_type: 'web',
  },
  isFirstParty: true,
  requirePkce: true,
  resources: [],
  state: 'active',
  version: 1,
  secretDigests: [],
};

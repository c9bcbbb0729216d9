import type { RelyingParty } from '../clients/client.ts';
import { isPublicClient } from '../clients/client-metadata.ts';
import { splitScope } from '../clients/scope.ts';
import type { Client } from './engine.ts';

/** What we know of a client beyond the protocol's own metadata. It travels inside the engine's client object. */
export interface ClientPolicy {
  isFirstParty: boolean;
  requirePkce: boolean;
  /** Identifiers of the resource servers it may ask tokens for. */
  resources: string[];
  /** Absent: whatever its resource servers and the identity scopes offer. */
  identityScopes?: string[];
  resourceScopes?: string[];
  accessTokenLifetime?: number;
  idTokenLifetime?: number;
  refreshTokenLifetime?: number;
  /** Whose subject its own tokens have. */
  serviceAccountId?: string;
  /** Base64 SHA-256 of the secrets valid now. */
  secretDigests: string[];
}

/** The member of the engine's client that carries the policy. */
export const POLICY_MEMBER = 'daemun_policy';

export function policyFrom({ metadata, ...party }: RelyingParty): ClientPolicy {
  const scope = metadata.scope === undefined ? undefined : splitScope(metadata.scope);
  return {
    isFirstParty: party.isFirstParty,
    // RFC 9700 2.1.1: nothing else binds the code of a client without a secret.
    requirePkce: party.requirePkce || isPublicClient(metadata),
    resources: party.resources,
    ...(scope && { identityScopes: scope.identity, resourceScopes: scope.resource }),
    ...(metadata.access_token_lifetime !== undefined && { accessTokenLifetime: metadata.access_token_lifetime }),
    ...(metadata.id_token_lifetime !== undefined && { idTokenLifetime: metadata.id_token_lifetime }),
    ...(metadata.refresh_token_lifetime !== undefined && { refreshTokenLifetime: metadata.refresh_token_lifetime }),
    ...(party.serviceAccountId && { serviceAccountId: party.serviceAccountId }),
    secretDigests: party.secretDigests.map((digest) => digest.toString('base64')),
  };
}

export function policyOf(client: Client): ClientPolicy {
  return client[POLICY_MEMBER] as ClientPolicy;
}

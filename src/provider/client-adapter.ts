import { randomBytes } from 'node:crypto';
import type { RelyingParty } from '../clients/client.ts';
import { isPossibleClientId } from '../clients/client-id.ts';
import { usesClientSecret } from '../clients/client-metadata.ts';
import { IDENTITY_SCOPES } from './claims.ts';
import { POLICY_MEMBER, policyFrom } from './client-policy.ts';
import { type Adapter, type AdapterPayload, type EngineContext, Provider } from './engine.ts';
import { refuseUnsignedRequestObject } from './request-objects.ts';

export type FindClient = (id: string) => Promise<RelyingParty | undefined>;

/**
 * The engine wants a secret in clear of every client that has one. Nobody has it: only digests are kept, and
 * `client-authentication.ts` compares those. Without a usable HMAC algorithm switched on, nothing else ever reads it.
 */
const NO_SECRET = randomBytes(32).toString('base64url');

export interface ClientAdapterOptions {
  findClient: FindClient;
  /** @throws when this client failed too often */
  checkFailures(ctx: EngineContext, clientId: string): Promise<void>;
  /** @throws when strangers ask too often */
  checkStrangers(ctx: EngineContext, party: RelyingParty): Promise<void>;
}

/** Presents registered clients to the engine. Disabled ones do not exist for it, from the next request on. S-047 */
export function createClientAdapter({ findClient, checkFailures, checkStrangers }: ClientAdapterOptions): Adapter {
  return {
    async find(id) {
      // Whatever strangers call a client goes no further: neither to the limits nor to the database.
      if (!isPossibleClientId(id)) return undefined;
      const { ctx } = Provider;
      if (ctx?.oidc) {
        refuseUnsignedRequestObject(ctx);
        await checkFailures(ctx, id);
      }
      const party = await findClient(id);
      if (party?.state !== 'active') return undefined;
      if (ctx?.oidc) await checkStrangers(ctx, party);
      return engineMetadata(party);
    },
    findByUid: unsupported,
    findByUserCode: unsupported,
    upsert: unsupported,
    consume: unsupported,
    destroy: unsupported,
    revokeByGrantId: unsupported,
  };
}

/** One look-up a client and request, however often the engine asks. */
export function oncePerRequest(findClient: FindClient): FindClient {
  const found = new WeakMap<object, Map<string, Promise<RelyingParty | undefined>>>();
  return (id) => {
    const request = Provider.ctx;
    if (!request) return findClient(id);
    const known = found.get(request) ?? new Map<string, Promise<RelyingParty | undefined>>();
    found.set(request, known);
    const answer = known.get(id) ?? findClient(id);
    known.set(id, answer);
    return answer;
  };
}

function engineMetadata(party: RelyingParty): AdapterPayload {
  const {
    access_token_lifetime: _,
    refresh_token_lifetime: __,
    id_token_lifetime: ___,
    scope: ____,
    ...metadata
  } = party.metadata;
  const policy = policyFrom(party);
  const identityScopes = policy.identityScopes?.filter((name) => IDENTITY_SCOPES.includes(name));
  return {
    ...metadata,
    client_id: party.id,
    client_name: party.name,
    ...(usesClientSecret(party.metadata) && { client_secret: NO_SECRET }),
    // The engine reads an empty scope as "anything"; `existing-grant.ts` knows better.
    ...(identityScopes?.length && { scope: identityScopes.join(' ') }),
    [POLICY_MEMBER]: policy,
  } as AdapterPayload;
}

function unsupported(): never {
  throw new Error('clients are not written through the engine');
}

import { randomBytes } from 'node:crypto';
import type { RelyingParty } from '../clients/client.ts';
import { isPossibleClientId } from '../clients/client-id.ts';
import { usesClientSecret } from '../clients/client-metadata.ts';
import { IDENTITY_SCOPES } from './claims.ts';
import { POLICY_MEMBER, policyFrom } from './client-policy.ts';
import { type Adapter, type AdapterPayload, type Client, type EngineContext, Provider } from './engine.ts';
import { watchPublishedKeys } from './published-client-keys.ts';
import { refuseUnsignedRequestObject } from './request-objects.ts';

export type FindClient = (id: string) => RelyingParty | undefined | Promise<RelyingParty | undefined>;

/**
 * The engine wants a secret in clear of every client that has one. Nobody has it: only digests are kept, and
 * `client-authentication.ts` compares those. Without a usable HMAC algorithm switched on, nothing else ever reads it.
 */
const NO_SECRET = randomBytes(32).toString('base64url');

/** Presents registered clients to the engine, in its own terms. */
export function createClientAdapter(findClient: FindClient): Adapter {
  return {
    async find(id) {
      const party = await findClient(id);
      return party?.state === 'active' ? engineMetadata(party) : undefined;
    },
    findByUid: unsupported,
    findByUserCode: unsupported,
    upsert: unsupported,
    consume: unsupported,
    destroy: unsupported,
    revokeByGrantId: unsupported,
  };
}

export interface ClientChecks {
  /** @throws when this client failed too often */
  checkFailures(ctx: EngineContext, clientId: string): void;
  /** @throws when this client asks too often */
  checkRequests(ctx: EngineContext, party: RelyingParty): void;
  /** @throws when strangers ask too often */
  checkStrangers(ctx: EngineContext, party: RelyingParty): Promise<void> | undefined;
}

/**
 * Puts our look-up in front of the engine's. Disabled clients do not exist for it. S-047
 * The engine would make a client anew from its metadata, or hash them to see that it need not, for every request; what it made
 * is kept with the party that it was made of.
 */
export function installClients(
  provider: Provider,
  findClient: FindClient,
  { checkFailures, checkRequests, checkStrangers }: ClientChecks,
): void {
  const build = provider.Client.find.bind(provider.Client);
  const built = new WeakMap<RelyingParty, Client>();
  /** Who comes meanwhile gets the same one, which reads the keys that it publishes once for all. */
  const underConstruction = new WeakMap<RelyingParty, Promise<Client | undefined>>();

  async function buildOnce(party: RelyingParty): Promise<Client | undefined> {
    const client = await build(party.id);
    if (!client) return undefined;
    watchPublishedKeys(client);
    built.set(party, client);
    return client;
  }

  provider.Client.find = async function find(id: string): Promise<Client | undefined> {
    // Whatever strangers call a client goes no further: neither to the limits nor to the database.
    if (typeof id !== 'string' || !isPossibleClientId(id)) return undefined;
    const { ctx } = Provider;
    if (ctx?.oidc) {
      refuseUnsignedRequestObject(ctx);
      checkFailures(ctx, id);
    }
    // Most are remembered, and waiting for what is there already is a good part of what this costs.
    const found = findClient(id);
    const party = found && 'then' in found ? await found : found;
    if (party?.state !== 'active') return undefined;
    if (ctx?.oidc) checkRequests(ctx, party);
    const checked = ctx?.oidc && checkStrangers(ctx, party);
    if (checked) await checked;
    const known = built.get(party) ?? underConstruction.get(party);
    if (known) return known;
    const building = buildOnce(party).finally(() => underConstruction.delete(party));
    underConstruction.set(party, building);
    return building;
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

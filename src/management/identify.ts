import type { Context } from 'koa';
import type { StoredAccount } from '../accounts/account.ts';
import type { Access, Acting, ApiKey } from '../api-keys/api-key.ts';
import { SYSTEM_SUBJECT } from '../api-keys/api-key.ts';
import type { ApiKeyCheck } from '../api-keys/api-key-check.ts';
import { ownApiIdentifier } from '../api-keys/own-api.ts';
import type { OwnerRights, Rights } from '../api-keys/rights.ts';
import type { ActingServiceAccount } from '../api-keys/service-account.ts';
import type { AuditContext } from '../audit/audit.ts';
import type { ApiCallRefusal, Observations } from '../audit/observations.ts';
import type { RelyingParty } from '../clients/client.ts';
import { trustedBy } from '../platform/http/client-address.ts';
import type { CheckOwnAccessToken, OwnAccessToken } from '../provider/own-access-tokens.ts';
import type { OwnSession } from '../provider/own-session.ts';
import { type Caller, callerOfSession, type Principal } from './caller.ts';
import { readCredential } from './credentials.ts';

export interface IdentifyOptions {
  issuer: string;
  sessionCookie: string;
  currentSession(ctx: Context): Promise<OwnSession | undefined>;
  apiKeyCheck: Pick<ApiKeyCheck, 'check' | 'looksLikeApiKey'>;
  checkAccessToken: CheckOwnAccessToken;
  findAccount(id: string): Promise<StoredAccount | undefined>;
  findClient(id: string): RelyingParty | undefined | Promise<RelyingParty | undefined>;
  findServiceAccount(id: string): Promise<ActingServiceAccount | undefined>;
  findApiKey(id: string, acting: Acting): Promise<ApiKey | undefined>;
  rights: Pick<Rights, 'effective'>;
  observations: Pick<Observations, 'verificationFailed' | 'apiKeyRefused'>;
}

export type Identified = { kind: 'known'; caller: Caller } | { kind: 'refused'; cause: ApiCallRefusal };

/**
 * Who asks. One order: the session of an administrator, an API key, an access token, the session of anybody else; and since two
 * credentials in one request are an error, there is never a choice between them. docs/api.md
 */
export function createIdentify(options: IdentifyOptions) {
  const { apiKeyCheck, observations, rights } = options;
  const resource = ownApiIdentifier(options.issuer);

  async function bySession(ctx: Context): Promise<Identified> {
    const session = await options.currentSession(ctx);
    return session ? { kind: 'known', caller: callerOfSession(session) } : refused('session_ended');
  }

  async function byApiKey(value: string, address: string, by: AuditContext): Promise<Identified> {
    // With all its rights: they bound the keys that it makes.
    const outcome = await apiKeyCheck.check(value, { address, by });
    if (outcome.kind === 'refused') return refused('api_key');
    const { id, owner, subject, access, isAdministrator, expiresAt, allowedAddresses } = outcome.apiKey;
    const scopes = scopesAt(access, resource);
    if (!scopes) {
      observations.apiKeyRefused({ cause: 'resource', apiKey: id }, by);
      return refused('api_key');
    }
    const caller: Caller = {
      via: 'api_key',
      principal: { kind: owner.kind, id: subject },
      isAdministrator,
      scopes: new Set(scopes),
      within: access,
      ...(allowedAddresses && { addresses: allowedAddresses }),
      apiKeyId: id,
      ...(expiresAt && { expiresAt }),
    };
    return { kind: 'known', caller };
  }

  async function byAccessToken(value: string, by: AuditContext & { address: string }): Promise<Identified> {
    const token = await options.checkAccessToken(value);
    if ('refused' in token) {
      observations.verificationFailed({ proof: 'access_token', cause: token.refused }, by);
      return refused('access_token');
    }
    const client = await options.findClient(token.clientId);
    const found = client?.state === 'disabled' ? undefined : await principalOf(token);
    const given = found && (await givenBy(token, by.address));
    if (!found || !given) return refused('owner_disabled');
    const { principal, owner } = found;
    const access = await rights.effective({ [resource]: given.scopes }, owner);
    const scopes = scopesAt(access, resource);
    if (!scopes) return refused('owner_disabled');
    const { clientId, actor, expiresAt } = token;
    const caller: Caller = {
      via: 'access_token',
      principal,
      isAdministrator: owner.isAdministrator,
      scopes: new Set(scopes),
      within: access,
      ...(given.addresses && { addresses: given.addresses }),
      clientId,
      expiresAt,
      ...(actor !== undefined && { actor }),
      ...(token.apiKey !== undefined && { apiKeyId: token.apiKey }),
    };
    return { kind: 'known', caller };
  }

  /** As they are now. A client that acts for itself is nobody here. */
  async function principalOf({
    subject,
    accessGeneration,
    apiKey,
  }: OwnAccessToken): Promise<{ principal: Principal; owner: OwnerRights } | undefined> {
    if (subject === SYSTEM_SUBJECT) {
      if (apiKey === undefined) return undefined;
      return { principal: { kind: 'system', id: subject }, owner: { kind: 'system', isAdministrator: false } };
    }
    const account = await options.findAccount(subject);
    if (account) {
      // Of a person there are tokens under a grant, and tokens for a key.
      const stands = apiKey !== undefined || accessGeneration === account.accessGeneration;
      if (account.state !== 'active' || !stands) return undefined;
      const owner = { kind: 'user', isAdministrator: account.isAdministrator } as const;
      return { principal: { kind: 'user', id: account.id, account }, owner };
    }
    const service = await options.findServiceAccount(subject);
    if (!service?.isActive) return undefined;
    const owner = { kind: 'service_account', isAdministrator: false, access: service.access } as const;
    return { principal: { kind: 'service_account', id: service.id }, owner };
  }

  /** A token that was exchanged for a key ends with it, and may no more than it, here where we can look. */
  async function givenBy(
    { apiKey, scopes }: OwnAccessToken,
    address: string,
  ): Promise<{ scopes: string[]; addresses?: string[] } | undefined> {
    if (apiKey === undefined) return { scopes };
    const key = await options.findApiKey(apiKey, { as: 'administrator' });
    if (key?.status !== 'active') return undefined;
    if (key.allowedAddresses.length > 0 && !trustedBy(key.allowedAddresses)(address)) return undefined;
    const ofKey = scopesAt(key.access, resource);
    return ofKey && { scopes: scopes.filter((scope) => ofKey.includes(scope)), addresses: key.allowedAddresses };
  }

  /** @throws AppError ambiguous_credentials */
  return async function identify(ctx: Context, by: AuditContext & { address: string }): Promise<Identified> {
    const credential = readCredential(ctx, options.sessionCookie);
    switch (credential.kind) {
      case 'none':
        return refused('no_credential');
      case 'other':
        return refused('unknown_scheme');
      case 'session':
        return bySession(ctx);
      case 'bearer':
        return apiKeyCheck.looksLikeApiKey(credential.value)
          ? byApiKey(credential.value, by.address, by)
          : byAccessToken(credential.value, by);
    }
  };
}

function scopesAt(access: Access, resource: string): string[] | undefined {
  return Object.hasOwn(access, resource) ? access[resource] : undefined;
}

function refused(cause: ApiCallRefusal): Identified {
  return { kind: 'refused', cause };
}

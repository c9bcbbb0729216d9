import type Router from '@koa/router';
import type { Context } from 'koa';
import type { Pool } from 'pg';
import type { Accounts } from '../accounts/accounts.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { ServiceAccounts } from '../api-keys/service-accounts.ts';
import type { Clients } from '../clients/clients.ts';
import type { Outbound } from '../platform/http/outbound.ts';
import type { Logger } from '../platform/logger.ts';
import { sessionCookieOf } from '../provider/cookies.ts';
import { createOwnAccessTokens, type OwnAccessTokensOptions } from '../provider/own-access-tokens.ts';
import type { OwnSession } from '../provider/own-session.ts';
import { createIdentify, type IdentifyOptions } from './identify.ts';
import { createManagementRoutes, type ManagementRoutesOptions } from './management.routes.ts';
import { createSecretScanningKeys } from './secret-scanning-keys.ts';

type Given = Omit<ManagementRoutesOptions, 'identify' | 'findAccount' | 'partnerKeys' | 'accounts' | 'observations'> &
  Pick<IdentifyOptions, 'apiKeyCheck' | 'rights'>;

export interface ManagementOptions extends Given {
  database: { pool: Pool };
  accounts: Pick<Accounts, 'find' | 'list'>;
  apiKeys: ApiKeys;
  serviceAccounts: ServiceAccounts;
  clients: Pick<Clients, 'find'>;
  observations: IdentifyOptions['observations'] & ManagementRoutesOptions['observations'];
  currentSession(ctx: Context): Promise<OwnSession | undefined>;
  signingKeys: OwnAccessTokensOptions['keys'];
  /** Where the public keys are of who reports leaked API keys; without it no reports are taken. */
  secretScanningKeysUrl?: string | undefined;
  fetch: Outbound;
  logger: Pick<Logger, 'warn'>;
}

/** Our own API: who asks, and what it can be asked. */
export function createManagement(options: ManagementOptions): Router {
  const { issuer, accounts, secretScanningKeysUrl: url } = options;
  const identify = createIdentify({
    ...options,
    sessionCookie: sessionCookieOf(issuer),
    checkAccessToken: createOwnAccessTokens({ issuer, pool: options.database.pool, keys: options.signingKeys }),
    findAccount: accounts.find,
    findClient: options.clients.find,
    findServiceAccount: options.serviceAccounts.findActing,
    findApiKey: options.apiKeys.find,
  });
  return createManagementRoutes({
    ...options,
    identify,
    findAccount: accounts.find,
    ...(url !== undefined && { partnerKeys: createSecretScanningKeys({ ...options, url }) }),
  });
}

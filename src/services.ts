import { type Accounts, createAccounts } from './accounts/accounts.ts';
import { type Consents, createConsents } from './accounts/consents.ts';
import { createFederation, type Federation } from './accounts/federation.ts';
import { createNotifications } from './accounts/notifications.ts';
import { createOneTimeLinks, type OneTimeLinks } from './accounts/one-time-links.ts';
import { createPasswords, type Passwords } from './accounts/passwords.ts';
import { pepperIdsInUse } from './accounts/pepper-use.store.ts';
import { createUserSessions, type UserSessions } from './accounts/sessions.ts';
import { type ApiKeyCheck, createApiKeyCheck } from './api-keys/api-key-check.ts';
import { type ApiKeys, createApiKeys } from './api-keys/api-keys.ts';
import { createLastUse } from './api-keys/last-use.ts';
import { ownApi } from './api-keys/own-api.ts';
import { createRights, type Rights } from './api-keys/rights.ts';
import { createServiceAccounts, type ServiceAccounts } from './api-keys/service-accounts.ts';
import { createUseWriter } from './api-keys/upkeep.store.ts';
import { type Audit, createAudit } from './audit/audit.ts';
import { countEvents } from './audit/event-counts.ts';
import { createObservations, type Observations } from './audit/observations.ts';
import type { KeyAdministration } from './cli/command.ts';
import { type Clients, createClients } from './clients/clients.ts';
import { createResourceServers, type ResourceServers } from './clients/resource-servers.ts';
import type { Config } from './config/config.ts';
import { accountClient } from './console/account-client.ts';
import type { Accelerator } from './platform/accelerator/accelerator.ts';
import { openAccelerator } from './platform/accelerator/open.ts';
import type { Database } from './platform/database/database.ts';
import { openPreparedDatabase } from './platform/database/prepare.ts';
import { createOutbound } from './platform/http/outbound.ts';
import { createLogger, type Logger } from './platform/logger.ts';
import type { Mail } from './platform/mail/mail.ts';
import { createMailbox, type Mailbox } from './platform/mail/mailbox.ts';
import { createOutgoingMail } from './platform/mail/outgoing-mail.ts';
import { createMetrics, type Metrics, noMetrics } from './platform/metrics.ts';
import { createOutbox, type Outbox } from './platform/outbox/outbox.ts';
import { OUTBOX_EFFECTS } from './platform/outbox/sealed-payload.ts';
import { createRateLimits, type RateLimits } from './platform/rate-limits.ts';
import { traceDatabase } from './platform/tracing/trace-database.ts';
import { traceMethods, traceOutbound } from './platform/tracing/trace-methods.ts';
import { traceRedis } from './platform/tracing/trace-redis.ts';
import { createTracing, noTracing, type Tracing } from './platform/tracing/tracing.ts';
import { endAccountAccess, endClientAccess, endConsent, endSession } from './provider/revocation.ts';
import { createEndingOfSessions } from './provider/sessions-of-key.ts';
import type { KeyEncryption } from './signing-keys/envelope.ts';
import { findKekIds, loadKeyEncryption } from './signing-keys/key-encryption.ts';
import { moveKeys } from './signing-keys/key-issuer.ts';
import { createKeyStore, type KeyStore } from './signing-keys/key-store.ts';
import { createRewrap } from './signing-keys/rewrap.ts';
import { createSecretStore, type SecretStore } from './signing-keys/secret-store.ts';
import { openSecrets, type ServerSecrets } from './signing-keys/server-secrets.ts';
import { DEFAULT_KEY_POLICY, type KeyPolicy } from './signing-keys/timing.ts';
import { createUpstreamConnections, type UpstreamConnections } from './upstreams/connections.ts';
import { providers } from './upstreams/registry.ts';
import { UPSTREAM_TOKENS } from './upstreams/token-vault.ts';
import type { Upstream } from './upstreams/upstream.ts';
import { createUpstreams } from './upstreams/upstreams.ts';

/** What others seal with the key-encryption key. */
const SEALED_TABLES = [UPSTREAM_TOKENS, OUTBOX_EFFECTS];

/** Everything that needs no HTTP: what the server and the command line have in common. */
export interface Services {
  issuer: string;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing;
  database: Database;
  accelerator: Accelerator;
  limits: RateLimits;
  keyEncryption: KeyEncryption;
  secrets: ServerSecrets;
  keyPolicy: KeyPolicy;
  keyStore: KeyStore;
  secretStore: SecretStore;
  keys: KeyAdministration;
  audit: Audit;
  outbox: Outbox;
  /** Where mail is kept instead of being sent. Never in production. */
  mailbox?: Mailbox;
  passwords: Passwords;
  accounts: Accounts;
  oneTimeLinks: OneTimeLinks;
  sessions: UserSessions;
  consents: Consents;
  federation: Federation;
  upstreams: Upstream[];
  upstreamConnections: UpstreamConnections;
  clients: Clients;
  resourceServers: ResourceServers;
  observations: Observations;
  /** What a key may be given, and may use. */
  rights: Rights;
  apiKeys: ApiKeys;
  apiKeyCheck: ApiKeyCheck;
  serviceAccounts: ServiceAccounts;
  close(): Promise<void>;
}

/**
 * `logger`: for tests that read what is logged.
 * @throws OperatorError when the database or its key is not fit to work with; everything opened is closed again
 */
export async function openServices(
  config: Config,
  logger: Logger = createLogger({ level: config.logLevel, production: config.production }),
): Promise<Services> {
  const { issuer, production } = config;
  const tracing = config.tracing ? await createTracing(config.tracing, logger) : noTracing;
  const database = await openPreparedDatabase({
    location: config.database,
    production,
    warn: (text) => logger.warn(text),
  });
  traceDatabase(tracing, database.pool);
  const stopTracingRedis = traceRedis(tracing);
  let accelerator: Accelerator | undefined;
  try {
    const keyEncryption = await loadKeyEncryption({
      directory: config.keysDirectory,
      value: config.keyEncryptionKey,
      production,
      database,
      tables: SEALED_TABLES,
      warn: (text) => logger.warn(text),
    });
    const secrets = await openSecrets({ database, keyEncryption, warn: (text) => logger.warn(text) });
    const serviceName = config.branding.name;
    const metrics = config.metrics ? await createMetrics() : noMetrics;
    accelerator = await openAccelerator({ redis: config.redis, secret: secrets.csrfKey, logger, metrics });
    const limits = createRateLimits(config.limits, accelerator.counter);
    const count = countEvents(metrics, { providers: providers.map(({ name }) => name) });
    const audit = createAudit({ database, logger, count });
    const keyPolicy = { ...DEFAULT_KEY_POLICY, ...config.keys };
    const { idToken, accessToken } = config.lifetimes;
    const tokenLifetime = Math.max(idToken, accessToken);
    const keyStore = createKeyStore({ database, keyEncryption, audit, policy: keyPolicy, tokenLifetime });
    const secretStore = createSecretStore({
      database,
      keyEncryption,
      audit,
      policy: { ...keyPolicy, cookieLifetime: Math.max(config.lifetimes.session, config.lifetimes.interaction) },
      pepperIdsInUse,
    });
    const keys: KeyAdministration = {
      store: keyStore,
      secrets: secretStore,
      rewrap: createRewrap({ database, keyEncryption, audit, tables: SEALED_TABLES }),
      policy: keyPolicy,
      kekIds: keyEncryption.kekIds,
      move: (by) => moveKeys({ database, issuer, keyStore }, by),
      kekIdsInUse: () => findKekIds(database.pool, SEALED_TABLES),
      endSessionsUsedSince: createEndingOfSessions({ database, audit }),
    };
    const outbox = createOutbox({ database, encryption: keyEncryption });
    const mailbox = config.mail || production ? undefined : createMailbox({ database });
    const mail: Mail = mailbox ?? createOutgoingMail({ outbox });
    const notify = createNotifications({ mail, serviceName });
    const ownPasswords = createPasswords({
      database,
      peppers: secrets.peppers,
      reloadPeppers: () => secrets.reload(),
      logger,
      serviceName,
      processes: config.workers,
      ...config.passwords,
    });
    const passwords = traceMethods(tracing, ownPasswords, { hash: 'password.hash', verify: 'password.verify' });
    const endAccess = endAccountAccess;
    const accounts = createAccounts({ database, audit, passwords, notify, endAccess });
    const oneTimeLinks = createOneTimeLinks({ database, audit, passwords, notify, endAccess });
    const { session, sessionIdle = session } = config.lifetimes;
    const sessions = createUserSessions({ database, audit, logger, lifetime: sessionIdle, endSession });
    const consents = createConsents({ database, audit, endConsent });
    const { dangerouslyAt: standInAt, keepsTokens, providers: settings } = config.upstreams;
    const upstreams = await createUpstreams({
      providers,
      settings,
      keepsTokens,
      fetch: traceOutbound(tracing, createOutbound({ allowLoopback: standInAt !== undefined })),
      ...(standInAt !== undefined && { standInAt }),
    });
    const upstreamConnections = createUpstreamConnections({ database, upstreams, audit });
    const federation = createFederation({
      database,
      audit,
      signUp: config.signUp,
      notify,
      endAccess,
      displayName: (provider) => upstreams.find((upstream) => upstream.provider === provider)?.displayName ?? provider,
      isConfigured: (provider) => upstreams.some((upstream) => upstream.provider === provider),
    });
    const clients = createClients({
      database,
      audit,
      endClientAccess,
      accelerator,
      builtIn: [ownApi(issuer)],
      builtInClients: [accountClient({ issuer, name: config.branding.name })],
    });
    const resourceServers = createResourceServers({
      database,
      audit,
      issuer,
      accelerator,
      builtIn: [ownApi(issuer)],
    });
    const observations = createObservations({
      logger,
      metrics,
      providers: upstreams.map(({ provider }) => provider),
    });
    const rights = createRights({ issuer, find: resourceServers.find });
    const lastUse = createLastUse({ write: createUseWriter(database.pool), logger });
    const { prefix } = config.apiKeys;
    const apiKeyCheck = createApiKeyCheck({
      pool: database.pool,
      prefix,
      rights,
      accelerator,
      onUse: lastUse.used,
      onRefusal: observations.apiKeyRefused,
    });
    const { settle } = apiKeyCheck;
    const apiKeys = createApiKeys({ database, audit, notify, rights, settle, ...config.apiKeys });
    const serviceAccounts = createServiceAccounts({ database, audit, rights, accelerator });
    return {
      issuer,
      logger,
      metrics,
      tracing,
      database,
      accelerator,
      limits,
      keyEncryption,
      secrets,
      keyPolicy,
      keyStore,
      secretStore,
      keys,
      audit,
      outbox,
      ...(mailbox && { mailbox }),
      passwords,
      accounts,
      oneTimeLinks,
      sessions,
      consents,
      federation,
      upstreams,
      upstreamConnections,
      clients,
      resourceServers,
      observations,
      rights,
      apiKeys,
      apiKeyCheck,
      serviceAccounts,
      async close() {
        await sessions.close();
        await lastUse.close();
        await audit.close();
        await accelerator?.close();
        await database.close();
        stopTracingRedis();
        await tracing.close();
      },
    };
  } catch (error) {
    await accelerator?.close();
    await database.close();
    stopTracingRedis();
    await tracing.close();
    throw error;
  }
}

import { claimsOf } from './accounts/claims.ts';
import { createAccountsCleanUp } from './accounts/clean-up.store.ts';
import { createSignIn } from './accounts/sign-in.ts';
import { throttlePolicyOf } from './accounts/sign-in-throttle.ts';
import { createApiKeysCleanUp } from './api-keys/upkeep.store.ts';
import { openControlSocket } from './cli/control-socket.ts';
import { createClientsCleanUp } from './clients/clean-up.store.ts';
import type { Config } from './config/config.ts';
import { createAccountRoutes } from './console/account.routes.ts';
import { API_KEYS_PATH } from './console/paths.ts';
import { createHttpSurface } from './http-surface.ts';
import { createPictureFetcher } from './interactions/fetch-picture.ts';
import { createInteractionRoutes } from './interactions/interactions.routes.ts';
import { registerPlayground, retirePlayground } from './interactions/playground-client.ts';
import { createProtocolScreens } from './interactions/protocol-screens.ts';
import { loadScreens } from './interactions/screens.ts';
import { callbackPath } from './interactions/upstream-paths.ts';
import { createManagement } from './management/management.ts';
import { watchAvailability } from './platform/database/availability.ts';
import { createCsrf } from './platform/http/csrf.ts';
import { createOutbound } from './platform/http/outbound.ts';
import { MAIL } from './platform/mail/outgoing-mail.ts';
import { createSmtpDelivery } from './platform/mail/smtp.ts';
import { createOutboxCleanUp } from './platform/outbox/clean-up.ts';
import { startDeliveries } from './platform/outbox/deliveries.ts';
import { limitByAddress } from './platform/rate-limits.ts';
import type { Service } from './platform/run-service.ts';
import { type Job, startScheduler } from './platform/scheduler/scheduler.ts';
import { traceOutbound } from './platform/tracing/trace-methods.ts';
import { createArtifactStore } from './provider/adapter.ts';
import { createEndingForDisabledClients } from './provider/disabled-clients.ts';
import { createIdentityProvider } from './provider/provider.ts';
import { createPublicFetch } from './provider/public-fetch.ts';
import { openServices, type Services } from './services.ts';
import { claimKeys } from './signing-keys/key-issuer.ts';
import { reportKeys } from './signing-keys/key-metrics.ts';
import { type KeyView, openKeyView } from './signing-keys/key-view.ts';
import { createUpstreamsCleanUp } from './upstreams/clean-up.store.ts';
import { createUpstreamSignIns } from './upstreams/sign-ins.ts';
import { createTokenVault } from './upstreams/token-vault.ts';

/** Seconds. */
const CLEAN_UP_INTERVAL = 60;
const FORGET_INTERVAL = 10 * 60;
const RETENTION_INTERVAL = 60 * 60;
const CLEAN_UP_BATCH = 500;

/** Builds everything that has a lifetime, from the inside out: the one place that says what is made of what. */
export async function createApp(config: Config): Promise<Service> {
  const services = await openServices(config);
  try {
    return await createServiceOn(services, config);
  } catch (error) {
    await services.close();
    throw error;
  }
}

/** The service over pieces that are open already; closing it closes them. */
export async function createServiceOn(services: Services, config: Config): Promise<Service> {
  const { keyStore, keyPolicy, secretStore, secrets } = services;
  await claimKeys({ ...services, issuer: config.issuer, production: config.production });
  const keyView = await openKeyView({ ...services, store: keyStore, policy: keyPolicy, others: secretStore });
  try {
    // They were read before, and count by the same version.
    await secrets.reload();
    return await createServiceWith(keyView, services, config);
  } catch (error) {
    await keyView.close();
    throw error;
  }
}

async function createServiceWith(keyView: KeyView, services: Services, config: Config): Promise<Service> {
  const { issuer, production } = config;
  const {
    logger,
    metrics,
    tracing,
    database,
    limits,
    secrets,
    audit,
    accounts,
    oneTimeLinks,
    sessions,
    clients,
    resourceServers,
    observations,
  } = services;

  reportKeys(metrics, keyView);
  observations.keysLoaded(keyView.current());
  const artifactStore = createArtifactStore({
    pool: database.pool,
    refreshSuccessorKey: secrets.refreshSuccessorKey,
    refreshGrace: config.lifetimes.refreshGrace,
    clockAhead: keyView.clockAhead,
  });
  const signIn = createSignIn({
    database,
    audit,
    observations,
    logger,
    passwords: services.passwords,
    peppers: secrets.peppers,
    addressLimit: limits.signIn,
    throttlePolicy: throttlePolicyOf(config.limits.account),
  });
  const screens = loadScreens({
    branding: config.branding,
    overrides: config.templatesDirectory,
    secure: issuer.startsWith('https:'),
  });
  const outbound = traceOutbound(tracing, createOutbound({ allowLoopback: config.dangerouslyFetchFromLoopback }));
  const identityProvider = await createIdentityProvider({
    config,
    database,
    artifactStore,
    signingKeys: keyView.current(),
    keyPolicy: services.keyPolicy,
    secrets,
    accounts: { find: accounts.find, claimsOf },
    clients,
    resourceServers,
    apiKeyCheck: services.apiKeyCheck,
    serviceAccounts: services.serviceAccounts,
    sessions,
    audit,
    limits,
    screens: createProtocolScreens({ screens, accounts }),
    uiLocales: screens.messages.locales,
    fetch: createPublicFetch(outbound),
    observations,
    onUnknownKid: metrics.counter(
      'daemun_unknown_kid_total',
      'ID token hints signed by a key that is not ours, or not any more.',
      [],
    ),
    logger,
  });
  keyView.onChange(async (set) => {
    try {
      await secrets.reload();
    } finally {
      // A secret that cannot be opened here is no reason to go on with a key that was revoked.
      await identityProvider.replaceKeys(set);
      observations.keysLoaded(set);
    }
  });
  const upstreams = createUpstreamSignIns({
    pool: database.pool,
    upstreams: services.upstreams,
    audit,
    callbackUrl: (provider) => `${issuer}${callbackPath(provider)}`,
    onIdentified: observations.upstreamAnswered,
  });
  const tokenVault = createTokenVault({ pool: database.pool, encryption: services.keyEncryption });
  await (config.playground ? registerPlayground(clients, issuer) : retirePlayground(clients));
  const csrf = createCsrf({ key: secrets.csrfKey, issuer });
  const limitPages = limitByAddress(limits.signInPages);
  const routes = createInteractionRoutes({
    issuer,
    production,
    playground: config.playground,
    minimumPasswordLength: config.passwords.minimumLength,
    screens,
    identityProvider,
    accounts,
    signIn,
    oneTimeLinks,
    upstreams,
    federation: services.federation,
    ...(config.upstreams.keepsTokens && { tokenVault }),
    csrf,
    limitSignIns: limitPages,
    limitDepartures: limitByAddress(limits.upstreamDepartures),
    limitReturns: limitByAddress(limits.upstreamReturns),
    setupNeeded: async () => !(await accounts.hasAdministrator()),
    fetchPicture: createPictureFetcher({ allowLoopback: !production }),
    ...(services.mailbox && { mail: services.mailbox }),
    account: {
      url: API_KEYS_PATH,
      isSignedIn: async (ctx) => (await identityProvider.currentSession(ctx)) !== undefined,
    },
  });
  const accountRoutes = createAccountRoutes({
    issuer,
    screens,
    identityProvider,
    csrf,
    secret: secrets.csrfKey,
    apiKeys: services.apiKeys,
    resourceServers,
    policy: config.apiKeys,
    limitPages,
    limitPerson: limits.apiRequests,
  });
  routes.use(accountRoutes.routes());

  const managementRoutes = createManagement({
    ...services,
    csrf,
    currentSession: identityProvider.currentSession,
    signingKeys: keyView.current,
    secretScanningKeysUrl: config.secretScanningKeysUrl,
    fetch: outbound,
  });

  const availability = watchAvailability(database, logger);
  const surface = createHttpSurface({
    config,
    services,
    identityProvider,
    managementRoutes,
    routes,
    screens,
    availability,
    checks: { keys: () => keyView.isReady().ready },
    observations,
  });

  const removals = [
    createAccountsCleanUp({ pool: database.pool, sessionLifetime: config.lifetimes.session }),
    createClientsCleanUp(database),
    createApiKeysCleanUp(database),
    createUpstreamsCleanUp(database),
    createOutboxCleanUp(database),
  ];
  const jobs: Job[] = [
    { name: 'clean-up', every: CLEAN_UP_INTERVAL, run: (signal) => inBatches(artifactStore.deleteExpired, signal) },
    { name: 'forgetting-guesses', every: FORGET_INTERVAL, run: (signal) => inBatches(signIn.forgetStrangers, signal) },
    { name: 'disabled-clients', every: FORGET_INTERVAL, run: createEndingForDisabledClients(services) },
    { name: 'retention', every: RETENTION_INTERVAL, run: (signal) => removeAll(removals, signal) },
  ];
  const controlSocket =
    config.database.kind === 'embedded'
      ? await openControlSocket({
          directory: config.database.directory,
          // Late, since most starts never see a command.
          execute: async (request) => (await import('./cli/execute.ts')).createCommandExecutor(services)(request),
        })
      : undefined;
  // In production what a start says is kept with the log, and whoever reads that would be the administrator.
  const setup = config.offersSetup && !production ? await oneTimeLinks.createSetup() : undefined;
  const needsSetup = config.offersSetup && production && (await oneTimeLinks.isSetupNeeded());
  const scheduler = startScheduler({ database, jobs, logger, metrics });
  const deliveries = startDeliveries({
    database,
    encryption: services.keyEncryption,
    outbox: services.outbox,
    handlers: { ...(config.mail && { [MAIL]: createSmtpDelivery({ ...config.mail, limits: limits.mail }) }) },
    logger,
    metrics,
  });

  return {
    shutdownDelay: 1000 * config.serving.shutdownDelay,
    ...(setup && { setupLink: `${issuer}/setup/${setup.token}` }),
    ...(needsSetup && { setupCommand: 'daemun users setup-link' }),
    ...(services.mailbox && { mailboxUrl: `${issuer}/mailbox` }),
    async listen() {
      await surface.listen();
      return { url: issuer };
    },
    async close({ isReplaced = false } = {}) {
      await surface.close({ isReplaced });
      await controlSocket?.close();
      await Promise.all([scheduler.close(), deliveries.close(), keyView.close(), availability.close()]);
      await services.close();
    },
  };
}

/** In small batches, so that nobody waits long for a lock. */
async function inBatches(remove: (limit: number) => Promise<number>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await remove(CLEAN_UP_BATCH)) === CLEAN_UP_BATCH);
}

/** One that fails keeps none of the others from running. */
async function removeAll(removals: (() => Promise<boolean>)[], signal: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  for (const remove of removals) {
    try {
      while (!signal.aborted && (await remove()));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

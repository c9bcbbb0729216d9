import Koa from 'koa';
import { claimsOf } from './accounts/claims.ts';
import { createAccountsCleanUp } from './accounts/clean-up.store.ts';
import { createSignIn } from './accounts/sign-in.ts';
import { openControlSocket } from './cli/control-socket.ts';
import { createCommandExecutor } from './cli/execute.ts';
import { createClientsCleanUp } from './clients/clean-up.store.ts';
import type { Config } from './config/config.ts';
import { createErrorScreens } from './interactions/error.ts';
import { createPictureFetcher } from './interactions/fetch-picture.ts';
import { createInteractionRoutes, namePageRoute } from './interactions/interactions.routes.ts';
import { registerPlayground, retirePlayground } from './interactions/playground-client.ts';
import { createProtocolScreens } from './interactions/protocol-screens.ts';
import { loadScreens } from './interactions/screens.ts';
import { callbackPath } from './interactions/upstream-paths.ts';
import { requestContext } from './platform/http/context.ts';
import { createCsrf } from './platform/http/csrf.ts';
import { errors } from './platform/http/errors.ts';
import { health, nameHealthRoute } from './platform/http/health.ts';
import { hostCheck } from './platform/http/host-check.ts';
import { metricsListener } from './platform/http/metrics-server.ts';
import { plainPaths } from './platform/http/paths.ts';
import { measureRequests } from './platform/http/request-metrics.ts';
import { securityHeaders } from './platform/http/security-headers.ts';
import { createHttpServer } from './platform/http/server.ts';
import { periodically } from './platform/periodically.ts';
import { createRateLimits, limitByAddress } from './platform/rate-limits.ts';
import type { Service } from './platform/run-service.ts';
import { createArtifactStore } from './provider/adapter.ts';
import { createIdentityProvider } from './provider/provider.ts';
import { createPublicFetch } from './provider/public-fetch.ts';
import { isForPrograms, nameProtocolRoute } from './provider/routes.ts';
import { openServices, type Services } from './services.ts';
import { claimKeys } from './signing-keys/key-issuer.ts';
import { reportKeys } from './signing-keys/key-metrics.ts';
import { type KeyView, openKeyView } from './signing-keys/key-view.ts';
import { createUpstreamsCleanUp } from './upstreams/clean-up.store.ts';
import { createUpstreamSignIns } from './upstreams/sign-ins.ts';
import { createTokenVault } from './upstreams/token-vault.ts';

const CLEAN_UP_INTERVAL = 60_000;
const FORGET_INTERVAL = 10 * 60_000;
const RETENTION_INTERVAL = 60 * 60_000;
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
  const { logger, metrics, database, secrets, audit, accounts, oneTimeLinks, sessions, clients, resourceServers } =
    services;

  reportKeys(metrics, keyView);
  const artifactStore = createArtifactStore({
    pool: database.pool,
    refreshSuccessorKey: secrets.refreshSuccessorKey,
    refreshGrace: config.lifetimes.refreshGrace,
  });
  const limits = createRateLimits(config.limits);
  const signIn = createSignIn({
    database,
    audit,
    logger,
    passwords: services.passwords,
    peppers: secrets.peppers,
    addressLimit: limits.signIn,
  });
  const screens = loadScreens({
    branding: config.branding,
    overrides: config.templatesDirectory,
    secure: issuer.startsWith('https:'),
  });
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
    sessions,
    audit,
    limits,
    screens: createProtocolScreens({ screens, accounts }),
    uiLocales: screens.messages.locales,
    fetch: createPublicFetch({ allowLoopback: config.dangerouslyFetchFromLoopback }),
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
    }
  });
  const upstreams = createUpstreamSignIns({
    pool: database.pool,
    upstreams: services.upstreams,
    audit,
    callbackUrl: (provider) => `${issuer}${callbackPath(provider)}`,
  });
  const tokenVault = createTokenVault({ pool: database.pool, encryption: services.keyEncryption });
  await (config.playground ? registerPlayground(clients, issuer) : retirePlayground(clients));
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
    csrf: createCsrf({ key: secrets.csrfKey, issuer }),
    limitSignIns: limitByAddress('sign-in pages', config.limits.signInPerAddressPerMinute, 60),
    limitDepartures: limitByAddress('upstream departures', config.limits.strangersPerAddressPerMinute, 60),
    // Each sign-in comes by two addresses.
    limitReturns: limitByAddress('upstream returns', 2 * config.limits.strangersPerAddressPerMinute, 60),
    setupNeeded: async () => !(await accounts.hasAdministrator()),
    fetchPicture: createPictureFetcher({ allowLoopback: !production }),
    ...(!production && { mail: services.mail }),
  });

  const state = { stopping: false };
  const koa = new Koa();
  koa.silent = true;
  koa.use(requestContext(config));
  koa.use(securityHeaders({ issuer }));
  const isReady = async () =>
    !state.stopping && keyView.isReady().ready && (await database.pool.query('SELECT 1')).rowCount === 1;
  koa.use(health({ isReady }));
  koa.use(errors({ renderError: createErrorScreens(screens).appError, logger }));
  koa.use(hostCheck(issuer, isForPrograms));
  koa.use(plainPaths());
  koa.use(identityProvider.middleware);
  koa.use(routes.routes());
  koa.use(routes.allowedMethods());
  const handle = koa.callback();
  const nameRoute = (path: string, method: string) =>
    nameHealthRoute(path) ?? nameProtocolRoute(path) ?? namePageRoute(routes, path, method);
  const server = createHttpServer(
    measureRequests(metrics, nameRoute, (req, res) => {
      if (!identityProvider.answer(req, res)) void handle(req, res);
    }),
  );
  const metricsServer = config.metrics && createHttpServer(metricsListener({ metrics, token: config.metrics.token }));

  const stopCleanUp = periodically('clean-up', CLEAN_UP_INTERVAL, () => deleteAllExpired(artifactStore), logger);
  const stopForgetting = periodically('forgetting guesses', FORGET_INTERVAL, () => signIn.forgetStrangers(), logger);
  const removals = [
    createAccountsCleanUp({ pool: database.pool, sessionLifetime: config.lifetimes.session }),
    createClientsCleanUp(database),
    createUpstreamsCleanUp(database),
  ];
  const stopRemoving = periodically('removing what ended', RETENTION_INTERVAL, () => removeAll(removals), logger);
  const controlSocket =
    config.database.kind === 'embedded'
      ? await openControlSocket({ directory: config.database.directory, execute: createCommandExecutor(services) })
      : undefined;
  const setup = await oneTimeLinks.createSetup();

  return {
    ...(setup && { setupLink: `${issuer}/setup/${setup.token}` }),
    ...(!production && { mailboxUrl: `${issuer}/mailbox` }),
    async listen() {
      await server.listen(config.listen);
      if (config.metrics) await metricsServer?.listen({ host: config.listen.host, port: config.metrics.port });
      return { url: issuer };
    },
    async close() {
      state.stopping = true;
      await controlSocket?.close();
      await server.close();
      await metricsServer?.close();
      await Promise.all([stopCleanUp(), stopForgetting(), stopRemoving(), keyView.close()]);
      await services.close();
    },
  };
}

/** In small batches, so that nobody waits long for a lock. */
async function deleteAllExpired(store: { deleteExpired(limit: number): Promise<number> }): Promise<void> {
  while ((await store.deleteExpired(CLEAN_UP_BATCH)) === CLEAN_UP_BATCH);
}

async function removeAll(removals: (() => Promise<boolean>)[]): Promise<void> {
  for (const remove of removals) while (await remove());
}

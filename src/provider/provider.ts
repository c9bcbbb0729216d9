import type { UserSessions } from '../accounts/sessions.ts';
import type { ApiKeyCheck } from '../api-keys/api-key-check.ts';
import type { ServiceAccounts } from '../api-keys/service-accounts.ts';
import type { Audit } from '../audit/audit.ts';
import type { Observations } from '../audit/observations.ts';
import type { Clients } from '../clients/clients.ts';
import type { ResourceServers } from '../clients/resource-servers.ts';
import type { Database } from '../platform/database/database.ts';
import { describeRequests } from '../platform/http/context.ts';
import { servesHostOf } from '../platform/http/host-check.ts';
import { createOutbound } from '../platform/http/outbound.ts';
import type { Logger } from '../platform/logger.ts';
import type { RateLimits } from '../platform/rate-limits.ts';
import type { SigningKeySet } from '../signing-keys/key-set.ts';
import type { ServerSecrets } from '../signing-keys/server-secrets.ts';
import { DEFAULT_KEY_POLICY, type KeyPolicy } from '../signing-keys/timing.ts';
import type { ArtifactStore } from './adapter.ts';
import { createApiKeyIntrospection } from './api-key-introspection.ts';
import { takeAccount } from './artifact-foresight.ts';
import { browserEndpoints } from './browser-endpoints.ts';
import { createSessionRecorder, createStartDescription, keepNewerSession } from './browser-sessions.ts';
import { createClientAdapter, installClients } from './client-adapter.ts';
import { authenticateByDigest } from './client-authentication.ts';
import { engineConfiguration } from './configuration.ts';
import { findConsent } from './consents.store.ts';
import { createCookieKeys } from './cookies.ts';
import { acceptNoncesOf } from './dpop-nonces.ts';
import { createEnginePages } from './engine-screens.ts';
import { describeEndFor, describeIssueFor, describeWrongProofFor, recordEvents } from './events.ts';
import { createGrantLoader } from './existing-grant.ts';
import { observeIntrospection, observeVerifications } from './failed-verifications.ts';
import { createFailureLimit } from './failure-limit.ts';
import { type AccountSource, createFindAccount } from './find-account.ts';
import { registerTokenExchange } from './grants/token-exchange.ts';
import { guardHints } from './hint-keys.ts';
import type { IdentityProvider, ProtocolScreens } from './identity-provider.ts';
import { createInteractionDesk } from './interactions.ts';
import type { Lifetimes } from './lifetimes.ts';
import { createOwnApiScopes } from './own-api-scopes.ts';
import { createOwnSessions } from './own-session.ts';
import { pinOrigin } from './pinned-origin.ts';
import { createProgramEndpoints } from './program-endpoints.ts';
import { createPublicFetch } from './public-fetch.ts';
import { answerPublished, publish } from './published.ts';
import { createRequestLimit } from './request-limit.ts';
import { resourceIndicators } from './resource-indicators.ts';
import { createServiceAccountClients } from './service-account-clients.ts';
import { noteFailures, type ServingEngine } from './serving-engine.ts';
import { endingAfter } from './session-adapter.ts';
import { createStoringEngine } from './storing-engine.ts';
import { createStrangerLimit } from './stranger-limit.ts';
import { createSwap } from './swap.ts';
import { createIntrospectionPolicy } from './token-access.ts';
import { createTokenClaims } from './token-claims.ts';
import { countWrongVerifiers } from './wrong-verifiers.ts';

export interface IdentityProviderOptions {
  config: { issuer: string; lifetimes: Lifetimes; trustedProxies: string[]; apiKeys: { prefix: string } };
  database: Pick<Database, 'pool' | 'prisma'>;
  artifactStore: ArtifactStore;
  signingKeys: SigningKeySet;
  keyPolicy?: KeyPolicy;
  /** An ID token came back under the name of a key that is not ours, or not any more. */
  onUnknownKid?: () => void;
  secrets: Pick<ServerSecrets, 'cookieKeys' | 'dpopNonceSecrets'>;
  accounts: Omit<AccountSource, 'providerOf'>;
  clients: Pick<Clients, 'find'>;
  resourceServers: Pick<ResourceServers, 'find'>;
  apiKeyCheck: Pick<ApiKeyCheck, 'looksLikeApiKey' | 'check'>;
  serviceAccounts: Pick<ServiceAccounts, 'findActing'>;
  sessions: Pick<UserSessions, 'start' | 'prepareStart' | 'touch' | 'prepareEnd' | 'providerOf'>;
  audit: Audit;
  /** Told of what was presented and did not hold. */
  observations?: Pick<Observations, 'verificationFailed' | 'apiKeyRefused' | 'requestRefused'>;
  limits: Pick<RateLimits, 'clientAuthentication' | 'clientAuthenticationByAddress' | 'tokenRequests' | 'strangers'>;
  /** How clients' keys are got; the public Internet only when absent. */
  fetch?: typeof fetch;
  screens: ProtocolScreens;
  /** Languages of the screens. */
  uiLocales: readonly string[];
  logger: Logger;
}

/** The protocol: one engine for each key set, one of them serving, and around it what the engine leaves to us. */
export async function createIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const { config, database, artifactStore, secrets, audit, observations } = options;
  const { issuer, lifetimes } = config;
  const accounts = {
    ...options.accounts,
    find: async (id: string) => takeAccount(id) ?? options.accounts.find(id),
  };
  const failures = createFailureLimit(options.limits, audit);
  const requests = createRequestLimit(options.limits.tokenRequests, audit);
  const strangers = createStrangerLimit(options.limits.strangers);
  const clientAdapter = createClientAdapter(options.clients.find);
  const ownApiScopes = createOwnApiScopes(issuer);
  const serviceAccounts = createServiceAccountClients(options.serviceAccounts);
  const claimsOfToken = createTokenClaims(issuer, serviceAccounts);
  const introspection = createApiKeyIntrospection({ ...options, issuer, prefix: config.apiKeys.prefix });
  const cookieKeys = createCookieKeys(() => secrets.cookieKeys);
  const enginePages = createEnginePages(options.screens);
  const recordSession = createSessionRecorder(options.sessions);
  const describeStart = createStartDescription(options.sessions);
  const describe = { issue: describeIssueFor(audit), end: describeEndFor(audit, options.sessions) };

  function adapterFor(model: string) {
    if (model === 'Client') return clientAdapter;
    const adapter = introspection.passOver(model, artifactStore.adapterFor(model, describe.end));
    return model === 'Session' ? endingAfter(adapter, lifetimes.session, lifetimes.sessionIdle) : adapter;
  }

  async function build(signingKeys: SigningKeySet): Promise<ServingEngine> {
    const dpopNonceSecrets = [...secrets.dpopNonceSecrets];
    const provider = createStoringEngine(
      issuer,
      engineConfiguration({
        issuer,
        lifetimes,
        uiLocales: options.uiLocales,
        signingKeys,
        cookieKeys,
        dpopNonceSecret: dpopNonceSecrets[0]!,
        adapter: adapterFor,
        fetch: options.fetch ?? createPublicFetch(createOutbound()),
        findAccount: createFindAccount({ ...accounts, providerOf: options.sessions.providerOf }),
        loadExistingGrant: createGrantLoader({
          narrow: ownApiScopes.narrow,
          findConsent: (owner) => findConsent(database.pool, owner),
          refreshTokenAbsolute: lifetimes.refreshTokenAbsolute,
        }),
        resourceIndicators: resourceIndicators(options.resourceServers.find, ownApiScopes, serviceAccounts),
        claimsOfToken,
        mayIntrospect: createIntrospectionPolicy(accounts, serviceAccounts),
        ...enginePages,
      }),
      artifactStore,
      describe,
    );
    registerTokenExchange(provider, {
      check: options.apiKeyCheck.check,
      findResourceServer: options.resourceServers.find,
      lifetimes,
    });
    pinOrigin(provider, issuer);
    installClients(provider, options.clients.find, {
      checkFailures: failures.check,
      checkRequests: requests.check,
      checkStrangers: strangers.check,
    });
    authenticateByDigest(provider);
    acceptNoncesOf(provider, dpopNonceSecrets);
    noteFailures(provider);
    guardHints(provider, signingKeys, options.onUnknownKid);
    recordEvents(provider, audit, observations);
    if (observations) observeVerifications(provider, signingKeys, observations);
    failures.count(provider);
    requests.count(provider);
    const countWrongVerifier = countWrongVerifiers(provider, artifactStore, describeWrongProofFor(audit));
    return {
      provider,
      documents: await publish(provider, signingKeys, options.keyPolicy ?? DEFAULT_KEY_POLICY),
      answerBrowser: (ctx) =>
        artifactStore.browserRequest(ctx, () => provider.middleware[0]!(ctx as never, async () => {}), describeStart),
      async afterProgram(ctx) {
        const wasKey = await introspection.answer(ctx);
        if (observations && !wasKey) observeIntrospection(ctx, observations);
        return countWrongVerifier(ctx);
      },
      async afterBrowser(ctx) {
        keepNewerSession(ctx, provider.cookieName('session'));
        await recordSession(ctx);
      },
    };
  }

  const replacements = { begun: 0, newest: 0 };
  const serving = createSwap(await build(options.signingKeys));
  const { current } = serving;
  const { hasRoom } = audit;
  const servesHost = servesHostOf(issuer);
  const answerProgram = createProgramEndpoints({
    current,
    describe: describeRequests(config),
    hasRoom,
    secure: issuer.startsWith('https:'),
    logger: options.logger,
  });

  return {
    answer: (req, res) =>
      servesHost(req) && (answerPublished(current().documents, req, res) || answerProgram(req, res)),
    middleware: browserEndpoints({ current, hasRoom, limitSignOuts: strangers.takeSignOut }),
    ...createInteractionDesk({
      provider: () => current().provider,
      database,
      artifactStore,
      findClient: options.clients.find,
      findResourceServer: options.resourceServers.find,
      audit,
      lifetimes,
    }),
    currentSession: createOwnSessions({
      provider: () => current().provider,
      sessions: adapterFor('Session'),
      findAccount: options.accounts.find,
      touch: options.sessions.touch,
    }),
    async replaceKeys(keys) {
      replacements.begun += 1;
      const own = replacements.begun;
      const next = await build(keys);
      // Of two that overlapped, the one that came later stays, whatever its version: a database may have gone back.
      if (own < replacements.newest) return;
      replacements.newest = own;
      serving.swap(next);
    },
    endpoints: endpointsOf(issuer),
  };
}

function endpointsOf(issuer: string): Record<string, string> {
  return {
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    introspection_endpoint: `${issuer}/introspect`,
    revocation_endpoint: `${issuer}/revoke`,
    pushed_authorization_request_endpoint: `${issuer}/par`,
    end_session_endpoint: `${issuer}/logout`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
  };
}

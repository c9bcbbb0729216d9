import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import Koa, { type Context } from 'koa';
import { claimsOf } from '../../src/accounts/claims.ts';
import { createUserSessions } from '../../src/accounts/sessions.ts';
import { ownApi } from '../../src/api-keys/own-api.ts';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import type { NewClient } from '../../src/clients/clients.ts';
import { createClients } from '../../src/clients/clients.ts';
import { createResourceServers, type NewResourceServer } from '../../src/clients/resource-servers.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { requestContext } from '../../src/platform/http/context.ts';
import { errors } from '../../src/platform/http/errors.ts';
import { parseForm } from '../../src/platform/http/form.ts';
import { hostCheck } from '../../src/platform/http/host-check.ts';
import { plainPaths } from '../../src/platform/http/paths.ts';
import { securityHeaders } from '../../src/platform/http/security-headers.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createRateLimits, type RateLimits } from '../../src/platform/rate-limits.ts';
import { createArtifactStore } from '../../src/provider/adapter.ts';
import type { IdentityProvider, InteractionResult, ProtocolScreens } from '../../src/provider/identity-provider.ts';
import type { Lifetimes } from '../../src/provider/lifetimes.ts';
import { createIdentityProvider } from '../../src/provider/provider.ts';
import { endAccountAccess, endClientAccess, endSession } from '../../src/provider/revocation.ts';
import { isForPrograms } from '../../src/provider/routes.ts';
import type { SigningKeySet } from '../../src/signing-keys/key-set.ts';
import type { KeyPolicy } from '../../src/signing-keys/timing.ts';
import { openTestDatabase } from './database.ts';
import { createFlowApiKeys, type FlowApiKeys, PREFIX } from './flow-api-keys.ts';
import { makeSecrets, makeSigningKeys } from './flow-keys.ts';
import { createPeople } from './flow-people.ts';

export const LIFETIMES: Lifetimes & { refreshGrace: number } = {
  accessToken: 15 * 60,
  idToken: 60 * 60,
  authorizationCode: 60,
  refreshToken: 30 * 86_400,
  refreshTokenAbsolute: 90 * 86_400,
  refreshGrace: 10,
  session: 14 * 86_400,
  interaction: 60 * 60,
};

export interface FlowOptions {
  lifetimes?: Partial<typeof LIFETIMES>;
  /** A minute, by client and address. */
  authenticationFailures?: number;
  /** A minute, by address. */
  authenticationFailuresByAddress?: number;
  /** A minute, by client. */
  tokenRequests?: number;
  /** A minute, by address. */
  strangers?: number;
  limits?: Partial<RateLimits>;
  /** Another public address than the one that is listened to, as behind a proxy. */
  issuer?: string;
  database?: Database;
  signingKeys?: SigningKeySet;
  keyPolicy?: KeyPolicy;
  onUnknownKid?: () => void;
  secrets?: ReturnType<typeof makeSecrets>;
  fetch?: typeof fetch;
  claimsOf?: typeof claimsOf;
}

/** The protocol part of the service on a port of its own, with plain pages in place of the screens. */
export interface Flow {
  issuer: string;
  /** Where it really listens. */
  origin: string;
  identityProvider: IdentityProvider;
  secrets: ReturnType<typeof makeSecrets>;
  database: Database;
  people: ReturnType<typeof createPeople>;
  clients: ReturnType<typeof createClients>;
  /** Registers, and fails the test when it is refused. */
  register(client: Partial<NewClient>): Promise<{ id: string; secret: string }>;
  registerResource(resource: NewResourceServer): Promise<void>;
  apiKeys: FlowApiKeys;
  audit: Audit;
  /** Everything logged, as text. */
  log: string[];
  /** What was written into the list of sessions, and for which their upstream was asked. */
  sessions: { started: Record<string, unknown>[]; touched: string[]; ended: string[]; asked: string[] };
  /** What disabling an account does beside changing its state. */
  endAccess(accountId: string): Promise<{ sessions: string[] }>;
  /** What the audit log has of a client or person, once all of these are among it: rows come a moment after the answer. */
  auditedTypes(of: string, ...awaited: string[]): Promise<string[]>;
  /** Lets everything stored become so many seconds older. */
  age(seconds: number): Promise<void>;
  close(): Promise<void>;
}

const by = { actor: 'test' };

export async function startFlow(options: FlowOptions = {}): Promise<Flow> {
  const database = options.database ?? (await openTestDatabase());
  const lifetimes = { ...LIFETIMES, ...options.lifetimes };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = options.issuer ?? origin;

  const log: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      log.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ level: 'debug', production: true, destination });
  const audit = createAudit({ database, logger });
  const people = createPeople(database);
  const clients = createClients({ database, audit, endClientAccess, builtIn: [ownApi(issuer)] });
  const resourceServers = createResourceServers({ database, audit, issuer, builtIn: [ownApi(issuer)] });
  const apiKeys = createFlowApiKeys({ database, audit, issuer, findResourceServer: resourceServers.find });
  const secrets = options.secrets ?? makeSecrets();
  const noted: Flow['sessions'] = { started: [], touched: [], ended: [], asked: [] };
  const sessions = createUserSessions({ database, audit, logger, lifetime: lifetimes.session, endSession });

  const identityProvider = await createIdentityProvider({
    config: { issuer, lifetimes, trustedProxies: [], apiKeys: { prefix: PREFIX } },
    limits: {
      ...createRateLimits({
        signInPerAddressPerMinute: 1000,
        signInPagesPerAddressPerMinute: 10_000,
        tokenRequestsPerClientPerMinute: options.tokenRequests ?? 10_000,
        apiRequestsPerCallerPerMinute: 10_000,
        apiFailuresPerAddressPerMinute: 10_000,
        mailsPerRecipientPerHour: 10_000,
        mailsPerAccountPerHour: 10_000,
        mailsPerSourcePerHour: 10_000,
        mailsPerHour: 10_000,
        tokenFailuresPerClientPerMinute: options.authenticationFailures ?? 1000,
        tokenFailuresPerAddressPerMinute: options.authenticationFailuresByAddress ?? 1000,
        strangersPerAddressPerMinute: options.strangers ?? 10_000,
      }),
      ...options.limits,
    },
    database,
    artifactStore: createArtifactStore({
      pool: database.pool,
      refreshSuccessorKey: secrets.refreshSuccessorKey,
      refreshGrace: lifetimes.refreshGrace,
    }),
    signingKeys: options.signingKeys ?? (await makeSigningKeys()),
    ...(options.keyPolicy && { keyPolicy: options.keyPolicy }),
    secrets,
    accounts: { find: people.find, claimsOf: options.claimsOf ?? claimsOf },
    clients,
    resourceServers,
    apiKeyCheck: apiKeys.check,
    observations: {
      verificationFailed: () => {},
      apiKeyRefused: (of) => void apiKeys.refusals.push(of),
      requestRefused: () => {},
    },
    serviceAccounts: apiKeys.serviceAccounts,
    sessions: {
      async start(session) {
        noted.started.push({ ...session });
        await sessions.start(session);
      },
      prepareStart(session) {
        noted.started.push({ ...session });
        return sessions.prepareStart(session);
      },
      touch(uid) {
        noted.touched.push(uid);
        sessions.touch(uid);
      },
      prepareEnd(uid, context) {
        noted.ended.push(uid);
        return sessions.prepareEnd(uid, context);
      },
      providerOf(uid) {
        noted.asked.push(uid);
        return sessions.providerOf(uid);
      },
    },
    audit,
    ...(options.fetch && { fetch: options.fetch }),
    ...(options.onUnknownKid && { onUnknownKid: options.onUnknownKid }),
    screens,
    uiLocales: ['ko', 'en'],
    logger,
  });

  const app = new Koa();
  app.silent = true;
  app.use(errors({ logger, renderError: (ctx, { code }) => page(ctx, { screen: 'error', error: code }) }));
  app.use(requestContext({ trustedProxies: [] }));
  app.use(securityHeaders({ issuer }));
  app.use(hostCheck(issuer, isForPrograms));
  app.use(plainPaths());
  app.use(identityProvider.middleware);
  app.use(plainInteractions(identityProvider));
  const handle = app.callback();
  server.on('request', (req, res) => void (identityProvider.answer(req, res) || handle(req, res)));

  return {
    issuer,
    origin,
    identityProvider,
    secrets,
    database,
    people,
    clients,
    async register({ metadata, ...client }) {
      const outcome = await clients.create(
        { name: 'Notes', isFirstParty: true, ...client, metadata: { redirect_uris: [CALLBACK], ...metadata } },
        by,
      );
      if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome.problems));
      return { id: outcome.client.id, secret: outcome.secret ?? '' };
    },
    async registerResource(resource) {
      const outcome = await resourceServers.create(resource, by);
      if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome.problems));
    },
    apiKeys,
    audit,
    log,
    sessions: noted,
    endAccess: (accountId) => database.prisma.$transaction((tx) => endAccountAccess(tx, accountId)),
    async auditedTypes(of, ...awaited) {
      for (let tries = 0; ; tries++) {
        const { rows } = await database.pool.query<{ type: string }>(
          'SELECT type FROM audit_events WHERE $1 IN (client_id, user_id) ORDER BY at, id',
          [of],
        );
        const types = rows.map(({ type }) => type);
        if (awaited.every((type) => types.includes(type)) || tries === 100) return types;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    age: (seconds) => ageArtifacts(database, seconds),
    async close() {
      await stop(server);
      await sessions.close();
      await audit.close();
      if (!options.database) await database.close();
    },
  };
}

export const CALLBACK = 'https://app.example.com/callback';

/** Pages are JSON that says which screen it is and what it was given. */
const screens: ProtocolScreens = {
  error: (ctx, error) => page(ctx, { screen: 'error', ...error }),
  signOut: (ctx, given) => page(ctx, { screen: 'signOut', ...given }),
  signedOut: (ctx, given) => page(ctx, { screen: 'signedOut', ...given }),
};

function page(ctx: Context, content: object): void {
  const { status } = ctx;
  ctx.body = JSON.stringify(content);
  ctx.type = 'html';
  ctx.status = status;
}

/** Takes the answers to interactions as form fields: who signs in, or what is decided. */
function plainInteractions(identityProvider: IdentityProvider): Koa.Middleware {
  return async (ctx, next) => {
    const [, uid, step] = /^\/interaction\/([^/]+)(?:\/(login|consent|abort))?$/.exec(ctx.path) ?? [];
    if (!uid) return next();
    if (ctx.method === 'GET') {
      ctx.status = 200;
      return page(ctx, { screen: 'interaction', ...(await identityProvider.pendingInteraction(ctx)) });
    }
    const { account, amr = 'pwd', provider, remember } = await parseForm(ctx);
    const results: Record<string, InteractionResult> = {
      login: {
        login: {
          accountId: account!,
          amr: amr.split(' '),
          ...(provider && { provider }),
          ...(remember && { remember: remember === 'yes' }),
        },
      },
      consent: { consent: 'granted' },
      abort: { error: 'access_denied', error_description: 'the person said no' },
    };
    await identityProvider.finishInteraction(ctx, results[step!]!);
  };
}

/** Times in payloads are seconds; interactions are sealed and keep theirs. */
async function ageArtifacts({ pool }: Database, seconds: number): Promise<void> {
  const { rows } = await pool.query<{ id: Buffer; payload: string }>(
    'SELECT id, payload::text AS payload FROM protocol_artifacts',
  );
  for (const { id, payload } of rows) {
    const aged = payload.replace(
      /"(iat|iiat|exp|loginTs|authTime)": ?(\d+)/g,
      (_, name, time) => `"${name}":${time - seconds}`,
    );
    await pool.query(
      `UPDATE protocol_artifacts SET payload = $2::json, expires_at = expires_at - make_interval(secs => $3),
         consumed_at = consumed_at - make_interval(secs => $3) WHERE id = $1`,
      [id, aged, seconds],
    );
  }
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

import { type Accounts, createAccounts } from './accounts/accounts.ts';
import { type Consents, createConsents } from './accounts/consents.ts';
import { createFederation, type Federation } from './accounts/federation.ts';
import { createNotifications } from './accounts/notifications.ts';
import { createOneTimeLinks, type OneTimeLinks } from './accounts/one-time-links.ts';
import { createPasswords, type Passwords } from './accounts/passwords.ts';
import { createUserSessions, type UserSessions } from './accounts/sessions.ts';
import { type Audit, createAudit } from './audit/audit.ts';
import { type Clients, createClients } from './clients/clients.ts';
import { createResourceServers, type ResourceServers } from './clients/resource-servers.ts';
import type { Config } from './config/config.ts';
import type { Database } from './platform/database/database.ts';
import { openPreparedDatabase } from './platform/database/prepare.ts';
import { createOutbound } from './platform/http/outbound.ts';
import { createLogger, type Logger } from './platform/logger.ts';
import { createMailbox, type Mailbox } from './platform/mail.ts';
import { endAccountAccess, endClientAccess, endConsent, endSession } from './provider/revocation.ts';
import type { KeyEncryption } from './signing-keys/envelope.ts';
import { loadKeyEncryption } from './signing-keys/key-encryption.ts';
import { openSecrets, type ServerSecrets } from './signing-keys/server-secrets.ts';
import { createUpstreamConnections, type UpstreamConnections } from './upstreams/connections.ts';
import { createUpstreams } from './upstreams/registry.ts';
import type { Upstream } from './upstreams/upstream.ts';

/** Everything that needs no HTTP: what the server and the command line have in common. */
export interface Services {
  issuer: string;
  logger: Logger;
  database: Database;
  keyEncryption: KeyEncryption;
  secrets: ServerSecrets;
  audit: Audit;
  mail: Mailbox;
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
  close(): Promise<void>;
}

/** @throws OperatorError when the database or its key is not fit to work with; everything opened is closed again */
export async function openServices(config: Config): Promise<Services> {
  const { issuer, production } = config;
  const logger = createLogger({ level: config.logLevel, production });
  const database = await openPreparedDatabase({ location: config.database, production });
  try {
    const keyEncryption = await loadKeyEncryption({
      directory: config.keysDirectory,
      value: config.keyEncryptionKey,
      production,
      database,
    });
    const secrets = await openSecrets({ database, keyEncryption });
    const serviceName = config.branding.name;
    const audit = createAudit({ database, logger });
    const mail = createMailbox({ database });
    const notify = createNotifications({ mail, serviceName });
    const passwords = createPasswords({ database, peppers: secrets.peppers, logger, serviceName, ...config.passwords });
    const endAccess = endAccountAccess;
    const accounts = createAccounts({ database, audit, passwords, notify, endAccess });
    const oneTimeLinks = createOneTimeLinks({ database, audit, passwords, notify, endAccess });
    const { session, sessionIdle = session } = config.lifetimes;
    const sessions = createUserSessions({ database, audit, logger, lifetime: sessionIdle, endSession });
    const consents = createConsents({ database, audit, endConsent });
    const { dangerouslyAt: standInAt, keepsTokens, providers: settings } = config.upstreams;
    const upstreams = await createUpstreams({
      settings,
      keepsTokens,
      fetch: createOutbound({ allowLoopback: standInAt !== undefined }),
      ...(standInAt !== undefined && { standInAt }),
    });
    const upstreamConnections = createUpstreamConnections({ database, upstreams, audit });
    const federation = createFederation({
      database,
      audit,
      signUp: config.signUp,
      notify,
      displayName: (provider) => upstreams.find((upstream) => upstream.provider === provider)?.displayName ?? provider,
    });
    const clients = createClients({ database, audit, endClientAccess });
    const resourceServers = createResourceServers({ database, audit, issuer });
    return {
      issuer,
      logger,
      database,
      keyEncryption,
      secrets,
      audit,
      mail,
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
      async close() {
        await sessions.close();
        await audit.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

import type { Accounts } from '../accounts/accounts.ts';
import type { Consents } from '../accounts/consents.ts';
import type { Federation } from '../accounts/federation.ts';
import type { OneTimeLinks } from '../accounts/one-time-links.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { ServiceAccounts } from '../api-keys/service-accounts.ts';
import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Clients } from '../clients/clients.ts';
import type { ResourceServers } from '../clients/resource-servers.ts';
import type { Config } from '../config/config.ts';
import type { Outbox } from '../platform/outbox/outbox.ts';
import type { KeyStore } from '../signing-keys/key-store.ts';
import type { Rewrap } from '../signing-keys/rewrap.ts';
import type { SecretStore } from '../signing-keys/secret-store.ts';
import type { KeyPolicy } from '../signing-keys/timing.ts';
import type { UpstreamConnections } from '../upstreams/connections.ts';

/** The pieces that commands work on: the service's own, or opened for one command. */
export interface Services {
  /** Where links lead. */
  issuer: string;
  accounts: Pick<Accounts, 'find' | 'findByLogin' | 'create' | 'disable' | 'enable' | 'list'>;
  oneTimeLinks: Pick<OneTimeLinks, 'createInvitation' | 'createSetup'>;
  consents: Consents;
  federation: Pick<Federation, 'list' | 'unlink'>;
  upstreamConnections: UpstreamConnections;
  clients: Clients;
  resourceServers: ResourceServers;
  apiKeys: Omit<ApiKeys, 'revokeByValue'>;
  serviceAccounts: Omit<ServiceAccounts, 'findActing'>;
  keys: KeyAdministration;
  outbox: Pick<Outbox, 'list' | 'find' | 'retry'>;
  audit: Pick<Audit, 'in'>;
}

/** Signing keys, the server's other secrets, and what encrypts both. */
export interface KeyAdministration {
  store: Pick<KeyStore, 'algorithms' | 'list' | 'rotate' | 'revoke' | 'hold'>;
  secrets: Pick<SecretStore, 'list' | 'rotate'>;
  rewrap: Rewrap;
  policy: KeyPolicy;
  /** The key-encryption keys that are here; the first seals. */
  kekIds: readonly string[];
  /** Those that something in the database is sealed under. */
  kekIdsInUse(): Promise<string[]>;
  /** In portions, each in a transaction of its own. Returns how many. */
  endSessionsUsedSince(key: { kid: string; since: Date }, by: AuditContext): Promise<number>;
  /** Ends the keys of another issuer and makes those of this one. */
  move(by: AuditContext): Promise<{ from?: string; revoked: string[] }>;
}

/** What a command may use of the world. The service that runs a command for somebody else hands in its own. */
export interface CommandContext {
  write(text: string): void;
  writeError(text: string): void;
  /** Files named in options; always read on the side of whoever typed the command. */
  readFile(path: string): string;
  /** Opened at the first call. */
  services(): Promise<Services>;
  /** The configuration of this very process; throws where a command was sent from another one. */
  config(): Config;
}

/** What came of a command that ran elsewhere. */
export interface CommandResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

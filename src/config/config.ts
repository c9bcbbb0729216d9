import type { SecretText } from '../platform/secret-text.ts';
import type { SettingValue } from './setting-kinds.ts';

/** What the rest of the service sees. Pieces are passed on as plain arguments; only this folder knows variables. */
export interface Config {
  production: boolean;
  /** Without a trailing slash. */
  issuer: string;
  listen: { host: string; port: number };
  /** Processes that answer. */
  workers: number;
  /** Whether a link to set up the first administrator is made where there is none yet. */
  offersSetup: boolean;
  database: DatabaseConfig;
  redis?: RedisConfig;
  /** Without a port they are counted here and told elsewhere. */
  metrics?: { port?: number; token?: SecretText };
  tracing?: { url: string; headers?: SecretText; serviceName: string; ratio: number };
  /** Delays in milliseconds and, for the shutdown, seconds. */
  serving: { mostRequests: number; mostConnections: number; mostEventLoopDelay: number; shutdownDelay: number };
  /** Without it nobody sends mail. */
  mail?: MailConfig;
  keysDirectory: string;
  keyEncryptionKey?: SecretText;
  keys: KeysConfig;
  /** Addresses and CIDR blocks. */
  trustedProxies: string[];
  lifetimes: Lifetimes;
  apiKeys: ApiKeysConfig;
  /** Where the public keys are of who reports leaked API keys; without it no reports are taken. */
  secretScanningKeysUrl?: string;
  passwords: { hash: 'bcrypt' | 'argon2id'; bcryptCost: number; minimumLength: number };
  limits: {
    signInPerAddressPerMinute: number;
    signInPagesPerAddressPerMinute: number;
    /** Delays in seconds. */
    account: { triesPerMinute: number; firstDelay: number; longestDelay: number; mostFailures: number };
    tokenRequestsPerClientPerMinute: number;
    tokenFailuresPerClientPerMinute: number;
    tokenFailuresPerAddressPerMinute: number;
    strangersPerAddressPerMinute: number;
    apiRequestsPerCallerPerMinute: number;
    apiFailuresPerAddressPerMinute: number;
    mailsPerRecipientPerHour: number;
    mailsPerAccountPerHour: number;
    mailsPerSourcePerHour: number;
    mailsPerHour: number;
  };
  upstreams: UpstreamsConfig;
  signUp: { policy: 'closed' | 'open' | 'domains'; domains: string[] };
  branding: { name: string; logoUrl?: string; accentColor?: string; accentColorDark?: string };
  templatesDirectory?: string;
  logLevel: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** Never in production. */
  playground: boolean;
  /** Never in production. */
  dangerouslyFetchFromLoopback: boolean;
  /** Choices that work and deserve a second look, to be logged at every start. */
  warnings: string[];
}

/** Seconds. */
export interface KeysConfig {
  rotationPeriod: number;
  cacheSupport: number;
  hintRetention: number;
}

/** Lifetimes in seconds. */
export interface ApiKeysConfig {
  prefix: string;
  perOwner: number;
  lifetime: number;
  longestLifetime: number;
}

export interface MailConfig {
  server: {
    host: string;
    port: number;
    /** From the first byte, by STARTTLS, or by STARTTLS only where the server offers it. */
    tls: 'implicit' | 'required' | 'offered';
    user?: string;
    password?: SecretText;
  };
  from: { name?: string; address: string };
}

export type DatabaseConfig =
  | { kind: 'embedded'; directory: string }
  | {
      kind: 'postgresql';
      url: SecretText;
      migrationUrl?: SecretText;
      poolSize: number;
      pooler?: { directUrl?: SecretText };
    };

export interface RedisConfig {
  mode: 'single' | 'sentinel' | 'cluster';
  nodes: { host: string; port: number }[];
  tls: boolean;
  prefix: string;
  username?: string;
  password?: SecretText;
  database?: number;
  sentinel?: { master: string; password?: SecretText };
}

/** Who else says who people are. Those without credentials are not offered. */
export interface UpstreamsConfig {
  /** By name. */
  providers: Record<string, ProviderConfig>;
  keepsTokens: boolean;
  /** Stands in for all of them. Never in production. */
  dangerouslyAt?: string;
}

export interface ProviderConfig {
  clientId: string;
  clientSecret: SecretText;
  /** The provider's own, by name; those that were left out are not there. */
  settings: Record<string, SettingValue>;
}

/** Seconds. */
export interface Lifetimes {
  accessToken: number;
  idToken: number;
  authorizationCode: number;
  refreshToken: number;
  refreshTokenAbsolute: number;
  refreshGrace: number;
  session: number;
  /** Since the browser was last here; no such end without it. */
  sessionIdle?: number;
  interaction: number;
}

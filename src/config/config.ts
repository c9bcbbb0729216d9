import type { SecretText } from '../platform/secret-text.ts';
import type { SettingValue } from './setting-kinds.ts';

/** What the rest of the service sees. Pieces are passed on as plain arguments; only this folder knows variables. */
export interface Config {
  production: boolean;
  /** Without a trailing slash. */
  issuer: string;
  listen: { host: string; port: number };
  database: DatabaseConfig;
  metrics?: { port: number; token?: SecretText };
  keysDirectory: string;
  keyEncryptionKey?: SecretText;
  keys: KeysConfig;
  /** Addresses and CIDR blocks. */
  trustedProxies: string[];
  lifetimes: Lifetimes;
  passwords: { hash: 'bcrypt' | 'argon2id'; bcryptCost: number; minimumLength: number };
  limits: {
    signInPerAddressPerMinute: number;
    tokenFailuresPerClientPerMinute: number;
    tokenFailuresPerAddressPerMinute: number;
    strangersPerAddressPerMinute: number;
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

export type DatabaseConfig =
  | { kind: 'embedded'; directory: string }
  | { kind: 'postgresql'; url: SecretText; migrationUrl?: SecretText; poolSize: number };

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

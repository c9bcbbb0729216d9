import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SecretText } from '../platform/secret-text.ts';
import type { Config, DatabaseConfig } from './config.ts';
import { ConfigError, type ConfigProblem, type Environment } from './config-error.ts';
import { checkKeys } from './keys.ts';
import { checkLimits, limitsConfig } from './limits.ts';
import { checkMail, mailConfig, mailWarnings } from './mail.ts';
import { checkProcesses, poolerConfig, workersConfig } from './processes.ts';
import type { ProviderDeclaration } from './provider-variables.ts';
import { checkRedis, redisConfig } from './redis.ts';
import { type Given, sectionsWith, type Variable } from './schema.ts';
import { servingConfig, tracingConfig } from './serving.ts';
import { unknownNames } from './unknown-names.ts';
import { checkUpstreams, type Refuse, upstreamsConfig } from './upstreams.ts';

export { ConfigError, type ConfigProblem, type Environment } from './config-error.ts';

/** Folders that were not chosen lie beside package.json, wherever the command was started. */
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Also known where the rest of the configuration is wrong, so that this can be said in the right way. */
export function isProduction(env: Environment = process.env): boolean {
  return env.NODE_ENV?.trim() === 'production';
}

/**
 * The only reader of the environment. What may be said of whom people sign in with is up to those `providers`.
 * @throws ConfigError with every problem
 */
export function loadConfig(providers: readonly ProviderDeclaration[], env: Environment = process.env): Config {
  const variables: Record<string, Variable> = Object.assign({}, ...Object.values(sectionsWith(providers)));
  const problems: ConfigProblem[] = [...unknownNames(env, variables, providers)];
  const said = readAll(env, variables, problems);
  const given = said as Given;
  const refuse = (variable: string, message: string) => problems.push({ variable, message });

  const production = given.NODE_ENV === 'production';
  checkTogether(given, env, { production, providers, refuse });
  const port = given.PORT;
  const redis = redisConfig(given);
  const mail = mailConfig(given);
  const tracing = tracingConfig(given);
  const config: Config = {
    production,
    issuer: given.ISSUER ?? `http://localhost:${port}`,
    listen: { host: given.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'), port },
    workers: workersConfig(given),
    offersSetup: true,
    database: databaseConfig(given),
    ...(redis && { redis }),
    keysDirectory: resolve(given.KEYS_DIR ?? join(root, 'keys')),
    keys: {
      rotationPeriod: given.DAEMUN_KEY_ROTATION_PERIOD,
      cacheSupport: given.DAEMUN_KEY_CACHE_SUPPORT,
      hintRetention: given.DAEMUN_KEY_HINT_RETENTION,
    },
    trustedProxies: given.TRUSTED_PROXIES ?? [],
    lifetimes: {
      accessToken: given.DAEMUN_ACCESS_TOKEN_LIFETIME,
      idToken: given.DAEMUN_ID_TOKEN_LIFETIME,
      authorizationCode: given.DAEMUN_AUTHORIZATION_CODE_LIFETIME,
      refreshToken: given.DAEMUN_REFRESH_TOKEN_LIFETIME,
      refreshTokenAbsolute: given.DAEMUN_REFRESH_TOKEN_ABSOLUTE_LIFETIME,
      refreshGrace: given.DAEMUN_REFRESH_GRACE,
      session: given.DAEMUN_SESSION_LIFETIME,
      ...(given.DAEMUN_SESSION_IDLE !== undefined && { sessionIdle: given.DAEMUN_SESSION_IDLE }),
      interaction: given.DAEMUN_INTERACTION_LIFETIME,
    },
    apiKeys: {
      prefix: given.DAEMUN_API_KEY_PREFIX,
      perOwner: given.DAEMUN_API_KEYS_PER_OWNER,
      lifetime: given.DAEMUN_API_KEY_LIFETIME,
      longestLifetime: given.DAEMUN_API_KEY_LONGEST_LIFETIME,
    },
    ...(given.DAEMUN_SECRET_SCANNING_KEYS_URL !== undefined && {
      secretScanningKeysUrl: given.DAEMUN_SECRET_SCANNING_KEYS_URL,
    }),
    passwords: {
      hash: given.PASSWORD_HASH,
      bcryptCost: given.DAEMUN_BCRYPT_COST,
      minimumLength: given.DAEMUN_PASSWORD_MINIMUM_LENGTH,
    },
    limits: limitsConfig(given),
    upstreams: upstreamsConfig(given, said, providers),
    signUp: { policy: given.DAEMUN_SIGN_UP, domains: given.DAEMUN_SIGN_UP_DOMAINS ?? [] },
    branding: {
      name: given.DAEMUN_BRAND_NAME,
      ...(given.DAEMUN_BRAND_LOGO && { logoUrl: given.DAEMUN_BRAND_LOGO }),
      ...(given.DAEMUN_BRAND_COLOR && { accentColor: given.DAEMUN_BRAND_COLOR }),
      ...(given.DAEMUN_BRAND_COLOR_DARK && { accentColorDark: given.DAEMUN_BRAND_COLOR_DARK }),
    },
    ...(given.DAEMUN_TEMPLATES_DIR && { templatesDirectory: resolve(given.DAEMUN_TEMPLATES_DIR) }),
    ...(given.KEY_ENCRYPTION_KEY && { keyEncryptionKey: new SecretText(given.KEY_ENCRYPTION_KEY) }),
    ...(given.DAEMUN_METRICS_PORT !== undefined && { metrics: metricsConfig(given, given.DAEMUN_METRICS_PORT) }),
    ...(tracing && { tracing }),
    serving: servingConfig(given),
    ...(mail && { mail }),
    logLevel: given.LOG_LEVEL ?? (production ? 'info' : 'warn'),
    playground: given.DAEMUN_PLAYGROUND ?? !production,
    dangerouslyFetchFromLoopback: given.DANGEROUSLY_FETCH_FROM_LOOPBACK,
    warnings: warningsAbout(given, production),
  };
  if (problems.length) throw new ConfigError(problems);
  return config;
}

function metricsConfig({ DAEMUN_METRICS_TOKEN: token }: Given, port: number): NonNullable<Config['metrics']> {
  return { port, ...(token && { token: new SecretText(token) }) };
}

/** What is said, parsed, by the name of the variable. */
function readAll(
  env: Environment,
  variables: Record<string, Variable>,
  problems: ConfigProblem[],
): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(variables)) {
    const raw = readOne(name, variable, env, problems) ?? variable.default;
    if (raw === undefined) continue;
    const parsed = variable.schema.safeParse(raw);
    if (parsed.success) given[name] = parsed.data;
    else problems.push({ variable: name, message: parsed.error.issues[0]!.message });
  }
  return given;
}

/** An empty variable is an absent one: compose files and hosting platforms pass them on like that. */
function readOne(name: string, { secret }: Variable, env: Environment, problems: ConfigProblem[]): string | undefined {
  const value = env[name]?.trim() || undefined;
  const file = secret ? env[`${name}_FILE`]?.trim() : undefined;
  if (!file) return value;
  if (value !== undefined) {
    problems.push({ variable: name, message: `is set twice, also by ${name}_FILE: keep one` });
    return undefined;
  }
  try {
    const content = readFileSync(file, 'utf8').trim();
    if (content) return content;
    problems.push({ variable: `${name}_FILE`, message: `points at ${file}, which is empty` });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    problems.push({ variable: `${name}_FILE`, message: `points at ${file}, which cannot be read (${code})` });
  }
  return undefined;
}

function databaseConfig(given: Given): DatabaseConfig {
  if (!given.DATABASE_URL) return { kind: 'embedded', directory: resolve(given.DATA_DIR ?? join(root, 'data')) };
  const pooler = poolerConfig(given);
  return {
    kind: 'postgresql',
    url: new SecretText(given.DATABASE_URL),
    ...(given.MIGRATION_DATABASE_URL && { migrationUrl: new SecretText(given.MIGRATION_DATABASE_URL) }),
    poolSize: given.DAEMUN_DATABASE_POOL_SIZE,
    ...(pooler && { pooler }),
  };
}

function checkTogether(
  given: Given,
  env: Environment,
  { production, providers, refuse }: { production: boolean; providers: readonly ProviderDeclaration[]; refuse: Refuse },
): void {
  // A variable that was set but is wrong has been reported already: do not also call it missing.
  const isSet = (name: string) => Boolean(env[name]?.trim() || env[`${name}_FILE`]?.trim());
  if (isSet('DATABASE_URL') && isSet('DATA_DIR')) {
    refuse('DATA_DIR', 'belongs to the embedded database and DATABASE_URL selects PostgreSQL: keep one');
  }
  for (const name of ['MIGRATION_DATABASE_URL', 'DAEMUN_DATABASE_POOL_SIZE'] as const) {
    if (isSet(name) && !isSet('DATABASE_URL')) refuse(name, 'needs DATABASE_URL');
  }
  if (isSet('KEY_ENCRYPTION_KEY') && isSet('KEYS_DIR')) {
    refuse('KEYS_DIR', 'is not used when KEY_ENCRYPTION_KEY is set: keep one');
  }
  checkProcesses(given, isSet, refuse);
  checkRedis(given, isSet, refuse);
  checkUpstreams(isSet, given.DAEMUN_SIGN_UP, providers, refuse);
  const {
    DAEMUN_REFRESH_TOKEN_LIFETIME: idle = 30 * 86_400,
    DAEMUN_REFRESH_TOKEN_ABSOLUTE_LIFETIME: end = 365 * 86_400,
  } = given;
  if (idle > end) refuse('DAEMUN_REFRESH_TOKEN_LIFETIME', 'is longer than DAEMUN_REFRESH_TOKEN_ABSOLUTE_LIFETIME');
  const { DAEMUN_SESSION_LIFETIME: session = 14 * 86_400, DAEMUN_SESSION_IDLE: sessionIdle = session } = given;
  if (sessionIdle > session) refuse('DAEMUN_SESSION_IDLE', 'is longer than DAEMUN_SESSION_LIFETIME');
  checkKeys(given, refuse);
  const { DAEMUN_API_KEY_LIFETIME: keyLife = 90 * 86_400, DAEMUN_API_KEY_LONGEST_LIFETIME: longest = 366 * 86_400 } =
    given;
  if (keyLife > longest) refuse('DAEMUN_API_KEY_LIFETIME', 'is longer than DAEMUN_API_KEY_LONGEST_LIFETIME');
  checkLimits(given, refuse);
  checkMail(given, isSet, refuse);
  if (isSet('DAEMUN_METRICS_TOKEN') && !isSet('DAEMUN_METRICS_PORT')) {
    refuse('DAEMUN_METRICS_TOKEN', 'needs DAEMUN_METRICS_PORT');
  }
  if (given.DAEMUN_METRICS_PORT !== undefined && given.DAEMUN_METRICS_PORT === given.PORT) {
    refuse('DAEMUN_METRICS_PORT', 'must be another port than PORT, which the public reaches');
  }
  if (production) checkProduction(given, isSet, refuse);
}

function checkProduction(given: Given, isSet: (name: string) => boolean, refuse: Refuse): void {
  if (!isSet('ISSUER'))
    refuse('ISSUER', 'is required in production: the public https origin, such as https://id.example.com');
  else if (given.ISSUER?.startsWith('http:')) refuse('ISSUER', 'must be https in production');
  if (!isSet('KEY_ENCRYPTION_KEY')) {
    refuse(
      'KEY_ENCRYPTION_KEY',
      'is required in production, here or by KEY_ENCRYPTION_KEY_FILE: 32 random bytes in base64, `openssl rand -base64 32`',
    );
  }
  if (!isSet('DATABASE_URL') && !isSet('DATA_DIR')) {
    refuse(
      'DATABASE_URL',
      'is required in production; to run on the embedded database all the same (one process, not safe against power loss), set DATA_DIR',
    );
  }
  if (given.DAEMUN_BCRYPT_COST < 12) {
    refuse('DAEMUN_BCRYPT_COST', 'must be at least 12 in production');
  }
  for (const name of [
    'DAEMUN_PLAYGROUND',
    'DANGEROUSLY_FETCH_FROM_LOOPBACK',
    'DANGEROUSLY_RAISE_LIMITS',
    'DANGEROUSLY_SMTP_WITHOUT_TLS',
    'DANGEROUSLY_UPSTREAMS_AT',
  ] as const) {
    if (given[name]) refuse(name, 'cannot be turned on in production');
  }
}

function warningsAbout(given: Given, production: boolean): string[] {
  const warnings: string[] = mailWarnings(given);
  if (production && !given.DATABASE_URL) {
    warnings.push('The embedded database serves one process and is not safe against power loss. Set DATABASE_URL.');
  }
  if (given.TRUSTED_PROXIES?.some((range) => range.endsWith('/0'))) {
    warnings.push('TRUSTED_PROXIES trusts everybody: any client can choose the address it is limited and recorded by.');
  }
  if (workersConfig(given) > 1 && !given.REDIS_URL) {
    warnings.push('Each worker counts addresses on its own: set REDIS_URL to have limits that hold for all of them.');
  }
  if (given.DANGEROUSLY_FETCH_FROM_LOOPBACK) {
    warnings.push(
      'DANGEROUSLY_FETCH_FROM_LOOPBACK: whoever registers a client can make this service ask this machine.',
    );
  }
  if (given.DANGEROUSLY_UPSTREAMS_AT) {
    warnings.push(
      `DANGEROUSLY_UPSTREAMS_AT: whatever answers at ${given.DANGEROUSLY_UPSTREAMS_AT} decides who people are.`,
    );
  }
  if (given.DANGEROUSLY_RAISE_LIMITS) {
    warnings.push(
      `DANGEROUSLY_RAISE_LIMITS: passwords and secrets can be guessed ${given.DANGEROUSLY_RAISE_LIMITS} times as fast.`,
    );
  }
  return warnings;
}

import { apiKeyVariables } from './api-key-variables.ts';
import { keyVariables } from './key-variables.ts';
import { lifetimeVariables } from './lifetime-variables.ts';
import { limitVariables } from './limit-variables.ts';
import { mailVariables } from './mail-variables.ts';
import { metricsVariables } from './metrics-variables.ts';
import { poolerVariables } from './pooler-variables.ts';
import { type ProviderDeclaration, variablesOf } from './provider-variables.ts';
import { redisVariables } from './redis-variables.ts';
import { servingVariables } from './serving-variables.ts';
import { tracingVariables } from './tracing-variables.ts';
import { upstreamVariables } from './upstream-variables.ts';
import {
  accentColor,
  base64Keys,
  brandLogo,
  cidrList,
  flag,
  integer,
  issuer,
  loopbackOrigin,
  oneOf,
  postgresUrl,
  text,
} from './values.ts';
import { type Variable, variable } from './variable.ts';
import { workersVariables } from './workers-variables.ts';

export type { Config, DatabaseConfig, Lifetimes } from './config.ts';
export type { Variable } from './variable.ts';

/** Every variable the service reads besides those of providers, by section. */
const sections = {
  'Where it runs': {
    ISSUER: variable({
      type: 'URL',
      defaultNote: '`http://localhost:` and PORT',
      meaning:
        'The public origin: issuer of every token and the only source of public links. https, except on loopback. Changing it invalidates every token and bookmark.',
      schema: issuer,
    }),
    HOST: variable({
      type: 'address',
      defaultNote: '127.0.0.1, in production 0.0.0.0',
      meaning: 'The address to listen on.',
      schema: text(255),
    }),
    PORT: variable({ type: 'number', default: '3000', meaning: 'The port to listen on.', schema: integer(0, 65_535) }),
    ...workersVariables,
    TRUSTED_PROXIES: variable({
      type: 'CIDR list',
      meaning:
        'Addresses or CIDR blocks of your own reverse proxies, separated by commas. `X-Forwarded-For` counts only from these, read from the right.',
      schema: cidrList,
    }),
    NODE_ENV: variable({
      type: 'production or development',
      default: 'development',
      meaning:
        '`production` refuses to start without an https issuer, a key-encryption key and a safe database, and leaves out the playground and the mailbox page.',
      schema: oneOf('production', 'development', 'test'),
    }),
    LOG_LEVEL: variable({
      type: 'silent, error, warn, info or debug',
      defaultNote: 'warn, in production info',
      meaning:
        'How much is logged: JSON lines on standard output in production, readable lines on standard error otherwise.',
      schema: oneOf('silent', 'error', 'warn', 'info', 'debug'),
    }),
    ...metricsVariables,
    ...tracingVariables,
  },
  'Overload and stopping': servingVariables,
  Database: {
    DATABASE_URL: variable({
      type: 'URL',
      secret: true,
      meaning:
        'PostgreSQL 15 or newer, `postgresql://role:password@host:5432/database`. Without it the service keeps an embedded database in DATA_DIR: one process, not safe against power loss. The role must be neither superuser nor have BYPASSRLS, and in production not own the tables.',
      schema: postgresUrl,
    }),
    MIGRATION_DATABASE_URL: variable({
      type: 'URL',
      secret: true,
      meaning:
        'The same database as its owner. When set, migrations are applied at start with it, the role of DATABASE_URL is granted what it needs, and the connection is closed. Otherwise run `daemun migrate`.',
      schema: postgresUrl,
    }),
    DAEMUN_DATABASE_POOL_SIZE: variable({
      type: 'number',
      default: '10',
      meaning: 'Connections to PostgreSQL per process.',
      schema: integer(1, 1000),
    }),
    ...poolerVariables,
    DATA_DIR: variable({
      type: 'path',
      defaultNote: 'data, beside package.json',
      meaning:
        'Where the embedded database lives. Not together with DATABASE_URL. In production the embedded database must be chosen by setting this.',
      schema: text(4096),
    }),
  },
  Redis: redisVariables,
  Secrets: {
    KEY_ENCRYPTION_KEY: variable({
      type: '32 bytes in base64',
      secret: true,
      meaning:
        'Encrypts the signing keys and all other secrets in the database; losing it loses them. Make one with `openssl rand -base64 32`. Outside production one is made in KEYS_DIR. While it is being changed there are several, one in a line or separated by commas: the first seals, all open. docs/keys.md says how.',
      schema: base64Keys(32),
    }),
    KEYS_DIR: variable({
      type: 'path',
      defaultNote: 'keys, beside package.json',
      meaning: 'Where the key-encryption key is made and read when KEY_ENCRYPTION_KEY is not set.',
      schema: text(4096),
    }),
    ...keyVariables,
  },
  Lifetimes: lifetimeVariables,
  'API keys': apiKeyVariables,
  'Passwords and limits': {
    PASSWORD_HASH: variable({
      type: 'bcrypt or argon2id',
      default: 'bcrypt',
      meaning: 'How new passwords are hashed. A sign-in with an older hash upgrades it.',
      schema: oneOf('bcrypt', 'argon2id'),
    }),
    DAEMUN_BCRYPT_COST: variable({
      type: 'number',
      default: '12',
      meaning: 'The cost of bcrypt; one more doubles the time. Below 12 only outside production.',
      schema: integer(4, 14),
    }),
    DAEMUN_PASSWORD_MINIMUM_LENGTH: variable({
      type: 'number',
      default: '15',
      meaning: 'The shortest password that may be chosen, in characters.',
      schema: integer(8, 64),
    }),
    ...limitVariables,
  },
  'Sign-in through others': upstreamVariables,
  Mail: mailVariables,
  'Look and feel': {
    DAEMUN_BRAND_NAME: variable({
      type: 'text',
      default: 'Daemun',
      meaning: 'The name on the hosted screens.',
      schema: text(64),
    }),
    DAEMUN_BRAND_LOGO: variable({
      type: 'path or data URL',
      meaning:
        'The logo on the hosted screens: a path on this origin such as `/assets/logo.svg` (mounted by DAEMUN_TEMPLATES_DIR), or a `data:image/…` URL. Screens load nothing from elsewhere.',
      schema: brandLogo,
    }),
    DAEMUN_BRAND_COLOR: variable({
      type: '#rrggbb',
      meaning: 'The accent colour of the hosted screens.',
      schema: accentColor,
    }),
    DAEMUN_BRAND_COLOR_DARK: variable({
      type: '#rrggbb',
      meaning: 'The accent colour in dark mode.',
      schema: accentColor,
    }),
    DAEMUN_TEMPLATES_DIR: variable({
      type: 'path',
      meaning: 'A folder whose templates, assets and locales replace those of the same name in `interactions/`.',
      schema: text(4096),
    }),
    DAEMUN_PLAYGROUND: variable({
      type: 'on or off',
      defaultNote: 'on, in production off',
      meaning:
        'The playground on the welcome page: runs a code flow against a built-in client. Cannot be turned on in production.',
      schema: flag,
    }),
  },
  'Testing against it': {
    DANGEROUSLY_FETCH_FROM_LOOPBACK: variable({
      type: 'on or off',
      default: 'off',
      meaning:
        'Also fetches what clients publish (`jwks_uri`) from this very machine, over plain http too, so that private_key_jwt can be tried on a laptop: whoever registers clients can then make the service ask anything that listens on loopback. Warns at every start. Cannot be turned on in production.',
      schema: flag,
    }),
    DANGEROUSLY_SMTP_WITHOUT_TLS: variable({
      type: 'on or off',
      default: 'off',
      meaning:
        'Also hands mail to an `smtp://` server that offers no STARTTLS, so that a mail catcher on a laptop can be used. Not together with SMTP_PASSWORD. Warns at every start. Cannot be turned on in production.',
      schema: flag,
    }),
    DANGEROUSLY_RAISE_LIMITS: variable({
      type: 'number',
      meaning:
        'Multiplies every limit, the tries of an account among them, so that a test of load is not refused: passwords can then be guessed that much faster. Warns at every start. Refused in production.',
      schema: integer(1, 100_000),
    }),
    DANGEROUSLY_UPSTREAMS_AT: variable({
      type: 'URL',
      meaning:
        'An origin on this very machine, such as `http://localhost:4002`, that stands in for every provider that people sign in with: whatever answers there says who people are. Warns at every start. Refused in production.',
      schema: loopbackOrigin,
    }),
  },
};

/** All but those of providers, by name. */
export const variables = {
  ...sections['Where it runs'],
  ...sections['Overload and stopping'],
  ...sections.Database,
  ...sections.Redis,
  ...sections.Secrets,
  ...sections.Lifetimes,
  ...sections['API keys'],
  ...sections['Passwords and limits'],
  ...sections['Sign-in through others'],
  ...sections.Mail,
  ...sections['Look and feel'],
  ...sections['Testing against it'],
};

/**
 * Every variable by section, with those of these providers. docs/configuration.md and .env.example are made from it.
 * @throws Error when a provider's variable has the name of another one
 */
export function sectionsWith(providers: readonly ProviderDeclaration[]): Record<string, Record<string, Variable>> {
  const ofProviders = providers.flatMap(variablesOf);
  const names = [...Object.keys(variables), ...ofProviders.map(([name]) => name)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) throw new Error(`${twice} would be two variables: a provider needs another name, or its setting does.`);
  return {
    ...sections,
    'Sign-in through others': { ...Object.fromEntries(ofProviders), ...sections['Sign-in through others'] },
  };
}

export type VariableName = keyof typeof variables;
/** Undefined where neither given nor with a default. */
export type VariableValue<N extends VariableName> =
  (typeof variables)[N] extends Variable<infer T>
    ? T | ((typeof variables)[N] extends { default: string } ? never : undefined)
    : never;

/** What the environment says. */
export type Given = { [N in VariableName]: VariableValue<N> };

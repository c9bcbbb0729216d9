import type { Outbound } from '../platform/http/outbound.ts';
import type { SecretText } from '../platform/secret-text.ts';
import type { Upstream } from './upstream.ts';

/** What every provider needs; what else a deployment says of one is that provider's own. */
export interface Credentials {
  clientId: string;
  clientSecret: SecretText | string;
}

/** What a setting of a provider's own can be. How each is written in a variable is the configuration's business. */
export interface SettingKinds {
  text: string;
  flag: boolean;
  domains: readonly string[];
}

export type SettingDeclarations = Readonly<Record<string, { kind: keyof SettingKinds; meaning: string }>>;

/** Each may be left out. */
export type SettingsOf<Declared extends SettingDeclarations> = {
  [Setting in keyof Declared]?: SettingKinds[Declared[Setting]['kind']];
};

/** What the service gives to all of them. */
export interface Surroundings<Endpoints> {
  /** Whether the provider's tokens are answered, to be kept. */
  keepsTokens: boolean;
  fetch: Outbound;
  /** Others than the provider's own, for tests and demonstrations. */
  endpoints?: Endpoints;
}

/** What the configuration has to know of one provider. */
export interface ProviderDeclaration {
  /** In its addresses and variables: `google` is `/callback/google` and `GOOGLE_CLIENT_ID`. */
  readonly name: string;
  readonly displayName: string;
  /** Where its client id comes from; ends with what the redirect URI is called there. */
  readonly registration: string;
  /** By the name of the setting: `hostedDomains` of `google` is `GOOGLE_HOSTED_DOMAINS`. */
  readonly settings: SettingDeclarations;
}

/** All that there is to one provider, and all that its file has to say. */
export interface ProviderDefinition<Declared extends SettingDeclarations, Endpoints> extends ProviderDeclaration {
  readonly settings: Declared;
  /** Where a program that plays this provider answers in its place; below `base` the paths are the provider's own. */
  standIn: (base: string) => Endpoints;
  /** Loads what only this provider needs: nobody waits for libraries of one that is not configured. */
  create: (options: Credentials & SettingsOf<Declared> & Surroundings<Endpoints>) => Promise<Upstream>;
}

/** What a deployment said of one provider. */
export interface ProviderSettings extends Credentials {
  /** By name; those that were left out are not there. */
  settings: Readonly<Record<string, unknown>>;
}

/** One provider as the registry has it: its file exports this. */
export interface UpstreamProvider<Endpoints = unknown> extends ProviderDeclaration {
  standIn(base: string): Endpoints;
  create(
    said: ProviderSettings,
    surroundings: Pick<Surroundings<Endpoints>, 'keepsTokens' | 'fetch'> & { standInAt?: string },
  ): Promise<Upstream>;
}

/** As a variable and as a segment of an address. */
const NAME = /^[a-z][a-z_]{0,31}$/;

/** @throws Error when its name cannot be one */
export function defineProvider<const Declared extends SettingDeclarations, Endpoints>(
  definition: ProviderDefinition<Declared, Endpoints>,
): UpstreamProvider<Endpoints> {
  const { name, displayName, registration, settings, standIn, create } = definition;
  if (!NAME.test(name)) {
    throw new Error(
      `${JSON.stringify(name)} cannot be the name of a provider: addresses and variables are made of it, so it has up to 32 small letters and underscores, and begins with a letter.`,
    );
  }
  return {
    name,
    displayName,
    registration,
    settings,
    standIn,
    create({ clientId, clientSecret, settings: said }, { keepsTokens, fetch, standInAt }) {
      const endpoints = standInAt === undefined ? undefined : standIn(`${standInAt}/${name}`);
      return create({
        ...settingsOf(settings, said),
        ...{ clientId, clientSecret, keepsTokens, fetch, ...(endpoints !== undefined && { endpoints }) },
      });
    },
  };
}

const isOfKind: { [Kind in keyof SettingKinds]: (value: unknown) => value is SettingKinds[Kind] } = {
  text: (value) => typeof value === 'string',
  flag: (value) => typeof value === 'boolean',
  domains: (value): value is readonly string[] => Array.isArray(value) && value.every(isOfKind.text),
};

/** Each as its kind: what reads variables and what uses them meet here, and nowhere else. */
function settingsOf<Declared extends SettingDeclarations>(
  declared: Declared,
  said: Readonly<Record<string, unknown>>,
): SettingsOf<Declared> {
  const found = Object.entries(declared).flatMap(([setting, { kind }]) => {
    const value = Object.hasOwn(said, setting) ? said[setting] : undefined;
    if (value === undefined) return [];
    if (!isOfKind[kind](value)) throw new TypeError(`The setting ${setting} is not of the kind ${kind}.`);
    return [[setting, value]];
  });
  return Object.fromEntries(found) as SettingsOf<Declared>;
}

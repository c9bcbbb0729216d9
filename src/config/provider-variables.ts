import type { SecretText } from '../platform/secret-text.ts';
import { type ProviderDefinition, providers } from './providers.ts';
import { text } from './values.ts';
import { type Variable, variable } from './variable.ts';

type Known = typeof providers;
type ExtrasOf<Definition> = Definition extends { extras: infer Extras }
  ? { [Setting in keyof Extras]?: Extras[Setting] extends Variable<infer Value> ? Value : never }
  : never;

/** What is said of the providers, by name; those without credentials are not there. */
export type ProvidersConfig = {
  [Name in keyof Known]?: { clientId: string; clientSecret: SecretText } & ExtrasOf<Known[Name]>;
};

/** Names of the variables of one provider. */
export interface ProviderVariableNames {
  clientId: ProviderVariableName;
  clientSecret: ProviderVariableName;
  /** By the name of the setting. */
  extras: Record<string, ProviderVariableName>;
}

export type ProviderVariableName = `${Uppercase<keyof Known>}_${string}`;

export const definitions: [string, ProviderDefinition][] = Object.entries(providers);

/** `hostedDomains` of `google` is GOOGLE_HOSTED_DOMAINS. */
export function namesOf(provider: string, { extras }: ProviderDefinition): ProviderVariableNames {
  const nameOf = (setting: string) =>
    `${provider}_${setting.replace(/[A-Z]/g, '_$&')}`.toUpperCase() as ProviderVariableName;
  return {
    clientId: nameOf('clientId'),
    clientSecret: nameOf('clientSecret'),
    extras: Object.fromEntries(Object.keys(extras).map((setting) => [setting, nameOf(setting)])),
  };
}

export const providerVariables: Record<ProviderVariableName, Variable> = Object.assign(
  {},
  ...definitions.map(([provider, definition]) => variablesOf(provider, definition)),
);

function variablesOf(provider: string, definition: ProviderDefinition): Record<string, Variable> {
  const { displayName, registration, extras } = definition;
  const names = namesOf(provider, definition);
  return {
    [names.clientId]: variable({
      type: 'text',
      meaning: `Offers sign-in with ${displayName}: the client id of ${registration} is ISSUER and \`/callback/${provider}\`. Needs ${names.clientSecret}.`,
      schema: text(255),
    }),
    [names.clientSecret]: variable({
      type: 'text',
      secret: true,
      meaning: `The secret that belongs to ${names.clientId}.`,
      schema: text(1024),
    }),
    ...Object.fromEntries(Object.entries(extras).map(([setting, extra]) => [names.extras[setting]!, extra])),
  };
}

/** For sentences: "Google or Discord". */
export function anyProvider(): string {
  return new Intl.ListFormat('en', { type: 'disjunction' }).format(
    definitions.map(([, { displayName }]) => displayName),
  );
}

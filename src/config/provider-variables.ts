import { type SettingKind, settingKinds } from './setting-kinds.ts';
import { text } from './values.ts';
import { type Variable, variable } from './variable.ts';

/** What a provider of sign-in says of itself, wherever it is written: its variables are made of this. */
export interface ProviderDeclaration {
  readonly name: string;
  readonly displayName: string;
  /** Where its client id comes from; ends with what the redirect URI is called there. */
  readonly registration: string;
  /** By the name of the setting: `hostedDomains` of `google` is `GOOGLE_HOSTED_DOMAINS`. */
  readonly settings: Readonly<Record<string, { kind: SettingKind; meaning: string }>>;
}

/** Names of the variables of one provider. */
export interface ProviderVariableNames {
  clientId: string;
  clientSecret: string;
  /** By the name of the setting. */
  settings: Record<string, string>;
}

export function namesOf({ name, settings }: ProviderDeclaration): ProviderVariableNames {
  const nameOf = (setting: string) => `${name}_${setting.replace(/[A-Z]/g, '_$&')}`.toUpperCase();
  return {
    clientId: nameOf('clientId'),
    clientSecret: nameOf('clientSecret'),
    settings: Object.fromEntries(Object.keys(settings).map((setting) => [setting, nameOf(setting)])),
  };
}

/** Its variables with their names. */
export function variablesOf(provider: ProviderDeclaration): [string, Variable][] {
  const { name, displayName, registration, settings } = provider;
  const names = namesOf(provider);
  return [
    [
      names.clientId,
      variable({
        type: 'text',
        meaning: `Offers sign-in with ${displayName}: the client id of ${registration} is ISSUER and \`/callback/${name}\`. Needs ${names.clientSecret}.`,
        schema: text(255),
      }),
    ],
    [
      names.clientSecret,
      variable({
        type: 'text',
        secret: true,
        meaning: `The secret that belongs to ${names.clientId}.`,
        schema: text(1024),
      }),
    ],
    ...Object.entries(settings).map(([setting, { kind, meaning }]): [string, Variable] => [
      names.settings[setting]!,
      { ...settingKinds[kind], meaning },
    ]),
  ];
}

import { SecretText } from '../platform/secret-text.ts';
import type { ProviderConfig, UpstreamsConfig } from './config.ts';
import { namesOf, type ProviderDeclaration } from './provider-variables.ts';
import type { Given } from './schema.ts';
import type { SettingValue } from './setting-kinds.ts';

export type Refuse = (variable: string, message: string) => void;

export function upstreamsConfig(
  given: Given,
  /** Of the providers' variables, by name. */
  said: Readonly<Record<string, unknown>>,
  providers: readonly ProviderDeclaration[],
): UpstreamsConfig {
  return {
    providers: Object.fromEntries(
      providers.flatMap((provider) => {
        const config = providerConfig(said, provider);
        return config ? [[provider.name, config]] : [];
      }),
    ),
    keepsTokens: given.DAEMUN_KEEP_UPSTREAM_TOKENS,
    ...(given.DANGEROUSLY_UPSTREAMS_AT && { dangerouslyAt: given.DANGEROUSLY_UPSTREAMS_AT }),
  };
}

function providerConfig(
  said: Readonly<Record<string, unknown>>,
  provider: ProviderDeclaration,
): ProviderConfig | undefined {
  const names = namesOf(provider);
  const [clientId, clientSecret] = [said[names.clientId], said[names.clientSecret]];
  if (typeof clientId !== 'string' || typeof clientSecret !== 'string') return undefined;
  const settings = Object.entries(names.settings).flatMap(([setting, name]): [string, SettingValue][] =>
    // Parsed by the schema of its kind.
    said[name] === undefined ? [] : [[setting, said[name] as SettingValue]],
  );
  return { clientId, clientSecret: new SecretText(clientSecret), settings: Object.fromEntries(settings) };
}

/** Halves: each would be a button that is missing, or a door that is wider than it was meant. */
export function checkUpstreams(
  isSet: (name: string) => boolean,
  signUp: Given['DAEMUN_SIGN_UP'],
  providers: readonly ProviderDeclaration[],
  refuse: Refuse,
): void {
  for (const provider of providers) {
    const { clientId: id, clientSecret: secret, settings } = namesOf(provider);
    if (isSet(id) && !isSet(secret)) refuse(secret, `is missing: ${id} needs it, here or by ${secret}_FILE`);
    if (isSet(secret) && !isSet(id)) refuse(id, `is missing: ${secret} needs it`);
    for (const setting of Object.values(settings)) {
      if (isSet(setting) && !isSet(id)) refuse(setting, `needs ${id}`);
    }
  }
  if (signUp === 'domains' && !isSet('DAEMUN_SIGN_UP_DOMAINS')) {
    refuse('DAEMUN_SIGN_UP_DOMAINS', 'is missing: DAEMUN_SIGN_UP=domains needs it');
  }
  if (signUp !== 'domains' && signUp !== undefined && isSet('DAEMUN_SIGN_UP_DOMAINS')) {
    refuse('DAEMUN_SIGN_UP_DOMAINS', 'needs DAEMUN_SIGN_UP=domains');
  }
}

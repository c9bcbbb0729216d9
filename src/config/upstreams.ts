import { SecretText } from '../platform/secret-text.ts';
import type { UpstreamsConfig } from './config.ts';
import { definitions, namesOf, type ProvidersConfig } from './provider-variables.ts';
import type { Given, VariableName } from './schema.ts';

export type Refuse = (variable: string, message: string) => void;

export function upstreamsConfig(given: Given): UpstreamsConfig {
  return {
    providers: providersConfig(given),
    keepsTokens: given.DAEMUN_KEEP_UPSTREAM_TOKENS,
    ...(given.DANGEROUSLY_UPSTREAMS_AT && { dangerouslyAt: given.DANGEROUSLY_UPSTREAMS_AT }),
  };
}

function providersConfig(given: Given): ProvidersConfig {
  const found = definitions.flatMap(([provider, definition]) => {
    const names = namesOf(provider, definition);
    const [clientId, clientSecret] = [given[names.clientId], given[names.clientSecret]];
    if (typeof clientId !== 'string' || typeof clientSecret !== 'string') return [];
    const extras = Object.entries(names.extras).map(([setting, name]) => [setting, given[name]]);
    const said = Object.fromEntries(extras.filter(([, value]) => value !== undefined));
    return [[provider, { clientId, clientSecret: new SecretText(clientSecret), ...said }]];
  });
  return Object.fromEntries(found);
}

/** Halves: each would be a button that is missing, or a door that is wider than it was meant. */
export function checkUpstreams(
  isSet: (name: VariableName) => boolean,
  signUp: Given['DAEMUN_SIGN_UP'],
  refuse: Refuse,
): void {
  for (const [provider, definition] of definitions) {
    const { clientId: id, clientSecret: secret, extras } = namesOf(provider, definition);
    if (isSet(id) && !isSet(secret)) refuse(secret, `is missing: ${id} needs it, here or by ${secret}_FILE`);
    if (isSet(secret) && !isSet(id)) refuse(id, `is missing: ${secret} needs it`);
    for (const extra of Object.values(extras)) {
      if (isSet(extra) && !isSet(id)) refuse(extra, `needs ${id}`);
    }
  }
  if (signUp === 'domains' && !isSet('DAEMUN_SIGN_UP_DOMAINS')) {
    refuse('DAEMUN_SIGN_UP_DOMAINS', 'is missing: DAEMUN_SIGN_UP=domains needs it');
  }
  if (signUp !== 'domains' && signUp !== undefined && isSet('DAEMUN_SIGN_UP_DOMAINS')) {
    refuse('DAEMUN_SIGN_UP_DOMAINS', 'needs DAEMUN_SIGN_UP=domains');
  }
}

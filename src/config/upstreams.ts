import { SecretText } from '../platform/secret-text.ts';
import type { UpstreamsConfig } from './config.ts';
import type { Given, VariableName } from './schema.ts';

export type Refuse = (variable: string, message: string) => void;

export function upstreamsConfig(given: Given): UpstreamsConfig {
  const { GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET, DISCORD_CLIENT_ID, DISCORD_CLIENT_SECRET } = given;
  return {
    ...(GOOGLE_CLIENT_ID &&
      GOOGLE_CLIENT_SECRET && {
        google: {
          clientId: GOOGLE_CLIENT_ID,
          clientSecret: new SecretText(GOOGLE_CLIENT_SECRET),
          hostedDomains: given.GOOGLE_HOSTED_DOMAINS ?? [],
        },
      }),
    ...(DISCORD_CLIENT_ID &&
      DISCORD_CLIENT_SECRET && {
        discord: { clientId: DISCORD_CLIENT_ID, clientSecret: new SecretText(DISCORD_CLIENT_SECRET) },
      }),
    keepsTokens: given.DAEMUN_KEEP_UPSTREAM_TOKENS,
    ...(given.DANGEROUSLY_UPSTREAMS_AT && { dangerouslyAt: given.DANGEROUSLY_UPSTREAMS_AT }),
  };
}

/** Halves: each would be a button that is missing, or a door that is wider than it was meant. */
export function checkUpstreams(
  isSet: (name: VariableName) => boolean,
  signUp: Given['DAEMUN_SIGN_UP'],
  refuse: Refuse,
): void {
  for (const provider of ['GOOGLE', 'DISCORD'] as const) {
    const [id, secret] = [`${provider}_CLIENT_ID`, `${provider}_CLIENT_SECRET`] as const;
    if (isSet(id) && !isSet(secret)) refuse(secret, `is missing: ${id} needs it, here or by ${secret}_FILE`);
    if (isSet(secret) && !isSet(id)) refuse(id, `is missing: ${secret} needs it`);
  }
  if (isSet('GOOGLE_HOSTED_DOMAINS') && !isSet('GOOGLE_CLIENT_ID')) {
    refuse('GOOGLE_HOSTED_DOMAINS', 'needs GOOGLE_CLIENT_ID');
  }
  if (signUp === 'domains' && !isSet('DAEMUN_SIGN_UP_DOMAINS')) {
    refuse('DAEMUN_SIGN_UP_DOMAINS', 'is missing: DAEMUN_SIGN_UP=domains needs it');
  }
  if (signUp !== 'domains' && signUp !== undefined && isSet('DAEMUN_SIGN_UP_DOMAINS')) {
    refuse('DAEMUN_SIGN_UP_DOMAINS', 'needs DAEMUN_SIGN_UP=domains');
  }
}

import { askForJson } from './ask.ts';
import { type BreakerOptions, createBreaker } from './circuit-breaker.ts';
import { discordIdentity } from './discord-user.ts';
import { finish } from './finish.ts';
import { type Credentials, defineProvider, type Surroundings } from './provider.ts';
import { authorizationUrl, exchangeCode, type Strategy, strategyOptions, verify } from './run-strategy.ts';
import type { Attempt, Upstream, UpstreamOutcome } from './upstream.ts';

/** Of version 10 of its interface, since the one without a number changes. */
export interface DiscordEndpoints {
  authorization: string;
  token: string;
  user: string;
}

const ENDPOINTS: DiscordEndpoints = {
  authorization: 'https://discord.com/oauth2/authorize',
  token: 'https://discord.com/api/v10/oauth2/token',
  user: 'https://discord.com/api/v10/users/@me',
};

const ISSUERS = ['https://discord.com'];

export interface DiscordOptions extends Credentials, Surroundings<DiscordEndpoints> {
  breaker?: BreakerOptions;
}

export const discord = defineProvider({
  name: 'discord',
  displayName: 'Discord',
  registration: 'an application whose redirect',
  settings: {},
  standIn: (base): DiscordEndpoints => ({
    authorization: `${base}/oauth2/authorize`,
    token: `${base}/api/v10/oauth2/token`,
    user: `${base}/api/v10/users/@me`,
  }),
  create: createDiscord,
});

/** @see https://docs.discord.com/developers/topics/oauth2 */
export async function createDiscord(options: DiscordOptions): Promise<Upstream> {
  // @ts-expect-error It brings no types; what is used of it is the type Strategy.
  const { default: DiscordStrategy } = await import('passport-discord');
  const { clientId, clientSecret, keepsTokens, fetch, endpoints = ENDPOINTS } = options;
  const strategy: Strategy = new DiscordStrategy(
    {
      ...strategyOptions,
      clientID: clientId,
      clientSecret: '',
      authorizationURL: endpoints.authorization,
      tokenURL: endpoints.token,
      scope: ['identify', 'email'],
    },
    verify,
  );
  const breaker = await createBreaker(options.breaker);

  async function identify(code: string, attempt: Attempt, signal: AbortSignal): Promise<UpstreamOutcome> {
    const { tokens } = await exchangeCode(strategy, { code, attempt, clientSecret, fetch, signal });
    const headers = { Authorization: `Bearer ${tokens.accessToken}` };
    const identity = discordIdentity(await askForJson(fetch, endpoints.user, { headers, signal }));
    return { kind: 'identified', identity, ...(keepsTokens && { tokens }) };
  }

  return {
    provider: 'discord',
    displayName: 'Discord',

    begin: (attempt) =>
      authorizationUrl(strategy, attempt, {
        // It knows no way to prove somebody anew: the most it does is to ask whether and as whom.
        prompt: attempt.request.freshSignIn ? 'consent' : 'none',
      }),

    finish: (response, attempt) =>
      finish(response, { issuers: ISSUERS, breaker, identify: (code, signal) => identify(code, attempt, signal) }),
  };
}

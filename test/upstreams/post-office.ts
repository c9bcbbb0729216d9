import { askForJson, type JsonObject } from '../../src/upstreams/ask.ts';
import { type BreakerOptions, createBreaker } from '../../src/upstreams/circuit-breaker.ts';
import { untrusted } from '../../src/upstreams/failure.ts';
import { finish } from '../../src/upstreams/finish.ts';
import { emailOf, localeOf, said, textOf } from '../../src/upstreams/profile-values.ts';
import { type Credentials, defineProvider, type Surroundings } from '../../src/upstreams/provider.ts';
import {
  authorizationUrl,
  exchangeCode,
  type Strategy,
  strategyOptions,
  verify,
} from '../../src/upstreams/run-strategy.ts';
import type { Attempt, Upstream, UpstreamIdentity, UpstreamOutcome } from '../../src/upstreams/upstream.ts';

/** All that a third provider takes besides its line in the registry. */

export interface PostOfficeEndpoints {
  authorization: string;
  token: string;
  person: string;
}

const at = (base: string): PostOfficeEndpoints => ({
  authorization: `${base}/counters`,
  token: `${base}/token`,
  person: `${base}/person`,
});

const ISSUERS = ['https://post.example'];

export interface PostOfficeOptions extends Credentials, Surroundings<PostOfficeEndpoints> {
  counter?: string;
  openAtNight?: boolean;
  postalDomains?: readonly string[];
  breaker?: BreakerOptions;
}

export const postOffice = defineProvider({
  name: 'post_office',
  displayName: 'Post Office',
  registration: 'a letter box whose return address',
  settings: {
    counter: { kind: 'text', meaning: 'The counter at which people are asked who they are.' },
    openAtNight: { kind: 'flag', meaning: 'Whether people may come at night.' },
    postalDomains: { kind: 'domains', meaning: 'Only people whose letters go there, separated by commas.' },
  },
  standIn: at,
  create: createPostOffice,
});

export async function createPostOffice(options: PostOfficeOptions): Promise<Upstream> {
  // @ts-expect-error It brings no types; what is used of it is the type Strategy.
  const { default: OAuth2Strategy } = await import('passport-oauth2');
  const { clientId, clientSecret, keepsTokens, fetch, endpoints = at('https://post.example') } = options;
  const { counter = '1', openAtNight = false, postalDomains = [] } = options;
  const strategy: Strategy = new OAuth2Strategy(
    {
      ...strategyOptions,
      clientID: clientId,
      clientSecret: '',
      authorizationURL: endpoints.authorization,
      tokenURL: endpoints.token,
      scope: ['person', 'email'],
      scopeSeparator: ' ',
    },
    verify,
  );
  const breaker = await createBreaker(options.breaker);

  async function identify(code: string, attempt: Attempt, signal: AbortSignal): Promise<UpstreamOutcome> {
    const { tokens } = await exchangeCode(strategy, { code, attempt, clientSecret, fetch, signal });
    const headers = { Authorization: `Bearer ${tokens.accessToken}` };
    const identity = identityOf(await askForJson(fetch, endpoints.person, { headers, signal }));
    return { kind: 'identified', identity, ...(keepsTokens && { tokens }) };
  }

  return {
    provider: 'post_office',
    displayName: 'Post Office',
    begin: (attempt) =>
      authorizationUrl(strategy, attempt, {
        counter,
        night: openAtNight ? 'yes' : 'no',
        domains: postalDomains.length ? postalDomains.join(' ') : undefined,
      }),
    finish: (response, attempt) =>
      finish(response, { issuers: ISSUERS, breaker, identify: (code, signal) => identify(code, attempt, signal) }),
  };
}

function identityOf({ number, name, email, verified, locale }: JsonObject): UpstreamIdentity {
  if (typeof number !== 'string' || !/^\d{1,20}$/.test(number)) throw untrusted('person: number');
  return {
    provider: 'post_office',
    subject: number,
    ...said({ email: emailOf(email, verified), name: textOf(name), locale: localeOf(locale) }),
  };
}

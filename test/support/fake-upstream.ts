import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DiscordEndpoints, discord as discordProvider } from '../../src/upstreams/discord.ts';
import { type GoogleEndpoints, google as googleProvider } from '../../src/upstreams/google.ts';
import { discordUser } from './fake-upstream-discord.ts';
import { answerBadly, type IdTokenFault, type TransportFault } from './fake-upstream-faults.ts';
import { createGoogleKeys, googleIdToken, googleProfile } from './fake-upstream-google.ts';
import { createGrants, type Grant } from './fake-upstream-grants.ts';
import { consentPage, errorPage } from './fake-upstream-page.ts';

/** A person who has an account there. What is left out is what the provider does not say. */
export interface FakePerson {
  /** Google: `sub`. Discord: `id`, a snowflake. */
  subject: string;
  email?: string | null;
  /** Google: `email_verified`. Discord: `verified`. Anything, as real providers have sent anything. */
  verified?: unknown;
  name?: string;
  givenName?: string;
  familyName?: string;
  /** Google: the address. Discord: the avatar's hash. */
  picture?: string | null;
  locale?: string;
  /** Google only: the organization (`hd`). */
  hostedDomain?: string;
  /** Discord only. */
  userName?: string;
  discriminator?: string;
  /** Google only, seconds since 1970; told when it is asked for. */
  authTime?: number;
}

export type FakeEndpoint = 'token' | 'keys' | 'profile';

export interface SeenRequest {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** One provider of the fake. */
export interface FakeProvider<Endpoints = object> {
  clientId: string;
  clientSecret: string;
  /** For `endpoints` of createGoogle and createDiscord. */
  endpoints: Endpoints;
  /** Who can be chosen on the consent page. */
  people: FakePerson[];
  /** From here on these answers come wrong. */
  faults: Partial<Record<FakeEndpoint, TransportFault>>;
  /** The issuer that callbacks name (RFC 9207); undefined: none. */
  issuer?: string;
  /** Every request that it got, in order. */
  requests: SeenRequest[];
  /** Kept once the next request for this has come in. */
  nextRequest(at: FakeEndpoint): Promise<void>;
  /** What a person does there: opens the page and presses a button. Answers with where the browser is sent back to. */
  decide(authorizationUrl: string, decision?: { as?: string; deny?: boolean }): Promise<URL>;
}

export interface FakeGoogle extends FakeProvider<GoogleEndpoints> {
  idTokenFault?: IdTokenFault;
  /** Signs with the issuer's older spelling. */
  shortIssuer: boolean;
  /** Members that ID tokens lack although they were asked for; userinfo has them. */
  leaveOutOfIdToken: string[];
  rotateKeys(): void;
}

export interface FakeUpstream {
  origin: string;
  google: FakeGoogle;
  discord: FakeProvider<DiscordEndpoints>;
  close(): Promise<void>;
}

interface Endpoint {
  at: FakeEndpoint;
  answer(request: SeenRequest): Promise<{ status: number; json: unknown }> | { status: number; json: unknown };
}

export interface FakeUpstreamOptions {
  port?: number;
  /** Of both clients, `google-client` and `discord-client`, where they are known beforehand. */
  clientSecret?: string;
}

const UNAUTHORIZED = { status: 401, json: { message: '401: Unauthorized', code: 0 } };

/**
 * Google's and Discord's protocol on loopback; ask it with `createOutbound({ allowLoopback: true })`. It checks what they check:
 * client, redirect URI, PKCE, codes that work once, tokens in the header only.
 */
export async function startFakeUpstream({ port = 0, clientSecret }: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const routes = new Map<string, (seen: SeenRequest, response: ServerResponse) => unknown>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url = '', headers } = request;
    const handle = routes.get(`${method} ${url.split('?')[0]}`);
    if (!handle) return response.writeHead(404).end();
    // A mistake in a test must not look like an upstream that hangs.
    try {
      await handle({ method, url, headers, body: Buffer.concat(chunks).toString() }, response);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function provider<Endpoints>(
    name: string,
    title: string,
    endpoints: Endpoints & { authorization: string },
    issuer: string,
  ) {
    const client = { clientId: `${name}-client`, clientSecret: clientSecret ?? randomBytes(24).toString('base64url') };
    const grants = createGrants(client);
    const waiting: { at: FakeEndpoint; resolve(): void }[] = [];
    const fake: FakeProvider<Endpoints> = {
      ...client,
      endpoints,
      people: [],
      faults: {},
      issuer,
      requests: [],
      nextRequest: (at) => new Promise((resolve) => waiting.push({ at, resolve })),
      decide: (url, decision) => decide(url, fake.people, decision),
    };

    function serve(method: string, address: string, { at, answer }: Endpoint) {
      routes.set(`${method} ${new URL(address).pathname}`, async (seen, response) => {
        fake.requests.push(seen);
        const { status, json } = await answer(seen);
        const body = JSON.stringify(json);
        const fault = fake.faults[at];
        if (fault) answerBadly(response, fault, body);
        else response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(body);
        for (const one of waiting.splice(0)) {
          if (one.at === at) one.resolve();
          else waiting.push(one);
        }
      });
    }

    /** The page, and what its buttons do. Who sends a wrong client or address is told so there and sent nowhere. */
    function authorize(params: URLSearchParams, response: ServerResponse, isDecided: boolean) {
      const redirectUri = params.get('redirect_uri');
      const problem =
        params.get('client_id') !== client.clientId
          ? 'invalid_client'
          : !redirectUri || !URL.canParse(redirectUri)
            ? 'redirect_uri_mismatch'
            : params.get('response_type') !== 'code' || params.get('code_challenge_method') !== 'S256'
              ? 'invalid_request'
              : undefined;
      const html = { 'content-type': 'text/html; charset=utf-8' };
      if (problem) return response.writeHead(400, html).end(errorPage(title, problem));
      if (!isDecided) {
        const action = new URL(endpoints.authorization).pathname;
        return response.writeHead(200, html).end(consentPage({ title, action, params, people: fake.people }));
      }
      const back = new URL(redirectUri!);
      const state = params.get('state');
      if (state !== null) back.searchParams.set('state', state);
      if (fake.issuer !== undefined) back.searchParams.set('iss', fake.issuer);
      const person = fake.people.find(({ subject }) => subject === params.get('as'));
      if (params.has('deny') || !person) {
        back.searchParams.set('error', 'access_denied');
        back.searchParams.set('error_description', 'The resource owner <b>denied</b> the request');
      } else {
        back.searchParams.set('code', grants.code(person, params));
        back.searchParams.set('scope', params.get('scope') ?? '');
      }
      return response.writeHead(302, { location: back.href }).end();
    }

    const path = new URL(endpoints.authorization).pathname;
    routes.set(`GET ${path}`, (seen, response) => {
      fake.requests.push(seen);
      authorize(new URL(seen.url, origin).searchParams, response, false);
    });
    routes.set(`POST ${path}`, ({ body }, response) => authorize(new URLSearchParams(body), response, true));
    return { fake, grants, serve };
  }

  const googleEndpoints = googleProvider.standIn(`${origin}/google`);
  const discordEndpoints = discordProvider.standIn(`${origin}/discord`);
  const keys = createGoogleKeys();
  const google = provider('google', 'Google (imitation)', googleEndpoints, 'https://accounts.google.com');
  const fakeGoogle: FakeGoogle = Object.assign(google.fake, {
    shortIssuer: false,
    leaveOutOfIdToken: [],
    rotateKeys: () => keys.rotate(),
  });
  google.serve('POST', googleEndpoints.token, {
    at: 'token',
    answer: ({ body }) =>
      redeemed(google.grants.redeem(new URLSearchParams(body)), async (grant) => {
        const accessToken = google.grants.accessToken(grant);
        const { clientId, shortIssuer, leaveOutOfIdToken: leaveOut, idTokenFault: fault } = fakeGoogle;
        return {
          access_token: accessToken,
          expires_in: 3599,
          ...(grant.params.get('access_type') === 'offline' && {
            refresh_token: randomBytes(24).toString('base64url'),
          }),
          scope: grant.scopes.join(' '),
          token_type: 'Bearer',
          id_token: await googleIdToken({ clientId, grant, accessToken, keys, shortIssuer, leaveOut, fault }),
        };
      }),
  });
  google.serve('GET', googleEndpoints.keys, { at: 'keys', answer: () => ({ status: 200, json: keys.jwks() }) });
  google.serve('GET', googleEndpoints.userInfo, {
    at: 'profile',
    answer: profileBy(google.grants.ofHeader, googleProfile),
  });

  const discord = provider('discord', 'Discord (imitation)', discordEndpoints, 'https://discord.com');
  discord.serve('POST', discordEndpoints.token, {
    at: 'token',
    answer: ({ body }) =>
      redeemed(discord.grants.redeem(new URLSearchParams(body)), (grant) => ({
        token_type: 'Bearer',
        access_token: discord.grants.accessToken(grant),
        expires_in: 604_800,
        refresh_token: randomBytes(24).toString('base64url'),
        scope: grant.scopes.toSorted().join(' '),
      })),
  });
  discord.serve('GET', discordEndpoints.user, {
    at: 'profile',
    answer: profileBy(discord.grants.ofHeader, discordUser),
  });

  return {
    origin,
    google: fakeGoogle,
    discord: discord.fake,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function redeemed(
  result: ReturnType<ReturnType<typeof createGrants>['redeem']>,
  answer: (grant: Grant) => object | Promise<object>,
) {
  if (!('error' in result)) return { status: 200, json: await answer(result) };
  const { status, error, description } = result;
  return { status, json: { error, error_description: description } };
}

function profileBy(ofHeader: (authorization?: string) => Grant | undefined, tell: (grant: Grant) => object) {
  return ({ headers }: SeenRequest) => {
    const grant = ofHeader(headers.authorization);
    return grant ? { status: 200, json: tell(grant) } : UNAUTHORIZED;
  };
}

/** By the page and its form, as a browser does it. */
async function decide(
  authorizationUrl: string,
  people: FakePerson[],
  { as = people[0]?.subject, deny = false }: { as?: string; deny?: boolean } = {},
): Promise<URL> {
  const shown = await fetch(authorizationUrl);
  const text = await shown.text();
  if (!shown.ok) throw new Error(`the page says: ${text}`);
  const form = new URLSearchParams(new URL(authorizationUrl).searchParams);
  if (deny) form.set('deny', '1');
  else form.set('as', as ?? '');
  const url = new URL(authorizationUrl);
  const sent = await fetch(`${url.origin}${url.pathname}`, { method: 'POST', body: form, redirect: 'manual' });
  const location = sent.headers.get('location');
  if (!location) throw new Error(`no way back: ${sent.status} ${await sent.text()}`);
  return new URL(location);
}

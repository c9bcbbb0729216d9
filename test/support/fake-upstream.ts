import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DiscordEndpoints } from '../../src/upstreams/discord.ts';
import type { GoogleEndpoints } from '../../src/upstreams/google.ts';
import type { Decision } from './fake-upstream-browser.ts';
import { playDiscord } from './fake-upstream-discord.ts';
import type { CallbackFault, IdTokenFault, TransportFault } from './fake-upstream-faults.ts';
import { playGoogle } from './fake-upstream-google.ts';
import type { Routes } from './fake-upstream-provider.ts';

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
  /** What is registered there; the browser is sent nowhere else. */
  redirectUris: string[];
  /** Who can be chosen on the consent page. */
  people: FakePerson[];
  /** From here on these answers come wrong. */
  faults: Partial<Record<FakeEndpoint, TransportFault>>;
  /** From here on browsers are sent back like that. */
  callbackFault?: CallbackFault;
  /** The issuer that callbacks name (RFC 9207); undefined: none. */
  issuer?: string;
  /** Every request that it got, in order. */
  requests: SeenRequest[];
  /** Kept once the next request for this has come in. */
  nextRequest(at: FakeEndpoint): Promise<void>;
  /** What a person does there: opens the page and presses a button. Answers with where the browser is sent back to. */
  decide(authorizationUrl: string, decision?: Decision): Promise<URL>;
  /** As when it was started, but for what is registered: nobody known, nobody agreed to anything, nothing wrong. */
  reset(): void;
}

export interface FakeGoogle extends FakeProvider<GoogleEndpoints> {
  idTokenFault?: IdTokenFault;
  /** Signs with the issuer's older spelling. */
  shortIssuer: boolean;
  /** Members that ID tokens lack although they were asked for; userinfo has them. */
  leaveOutOfIdToken: string[];
  rotateKeys(): void;
}

/** Plays another provider on the same server. */
export type Play = (origin: string, routes: Routes, options: { clientSecret?: string }) => FakeProvider;

export interface FakeUpstream {
  origin: string;
  google: FakeGoogle;
  discord: FakeProvider<DiscordEndpoints>;
  /** By name. */
  others: Record<string, FakeProvider>;
  /** What a developer does at all of them for a service at this address. */
  register(issuer: string): void;
  close(): Promise<void>;
}

export interface FakeUpstreamOptions {
  port?: number;
  /** Of both clients, `google-client` and `discord-client`, where they are known beforehand. */
  clientSecret?: string;
  /** Other providers besides, by name. */
  play?: Record<string, Play>;
}

/**
 * Google's and Discord's protocol on loopback; ask it with `createOutbound({ allowLoopback: true })`. It checks what they check:
 * client, registered redirect URIs, PKCE, codes that work once, tokens in the header only.
 */
export async function startFakeUpstream({
  port = 0,
  clientSecret,
  play = {},
}: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const routes: Routes = new Map();
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
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const google = playGoogle(origin, routes, { clientSecret });
  const discord = playDiscord(origin, routes, { clientSecret });
  const others = Object.fromEntries(
    Object.entries(play).map(([name, playOther]) => [name, playOther(origin, routes, { clientSecret })]),
  );
  return {
    origin,
    google,
    discord,
    others,
    register(issuer) {
      for (const [name, { redirectUris }] of Object.entries({ google, discord, ...others })) {
        redirectUris.push(`${issuer}/callback/${name}`);
      }
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ArtifactStore } from '../../src/provider/adapter.ts';
import type { Configuration, Provider } from '../../src/provider/engine.ts';
import { createStoringEngine } from '../../src/provider/storing-engine.ts';
import { ACCOUNT } from './artifacts.ts';

const ISSUER = 'http://issuer.example';
const CALLBACK = 'https://client.example/callback';

/** Keys of the server and of the client that signs its assertions; made once, they cost more than everything else here. */
const serverKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
export const clientKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

const client = {
  client_secret: 'a secret that is long enough for a test',
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  redirect_uris: [CALLBACK],
  id_token_signed_response_alg: 'ES256',
} as const;

function clients() {
  const { kty, crv, x, y } = clientKey.export({ format: 'jwk' });
  return [
    { ...client, client_id: 'client' },
    { ...client, client_id: 'other' },
    {
      ...client,
      client_id: 'asserting',
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [{ kty, crv, x, y }] },
    },
  ];
}

export interface Node {
  provider: Provider;
  url: string;
  post(path: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Answer>;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  close(): void;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, string | boolean | undefined>;
}

/** The engine on our store over HTTP, with nothing else of the service around it. */
export async function startNode(store: ArtifactStore): Promise<Node> {
  const configuration = {
    // Not as configuration, of which the engine makes copies that are foreign objects inside Jest.
    adapter: (model: string) =>
      model === 'Client'
        ? { find: async (id: string) => clients().find(({ client_id }) => client_id === id) }
        : store.adapterFor(model),
    jwks: { keys: [{ ...serverKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'key' } as never] },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async () => true },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1) },
    },
    findAccount: async (_ctx: unknown, accountId: string) => ({ accountId, claims: async () => ({ sub: accountId }) }),
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    pkce: { required: () => false },
    scopes: ['openid', 'offline_access'],
    ttl: {
      AccessToken: () => 900,
      AuthorizationCode: () => 60,
      ClientCredentials: () => 900,
      Grant: () => 86_400,
      IdToken: () => 900,
      RefreshToken: () => 86_400,
      Session: () => 86_400,
    } as never,
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    interactions: { url: () => '/interaction' },
    cookies: { keys: undefined },
  } as unknown as Configuration;
  const provider = createStoringEngine(ISSUER, configuration, store);
  const server = createServer(provider.callback()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // The address that the engine compares assertions and proofs with.
  provider.proxy = true;

  async function send(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(url + path, { redirect: 'manual', ...init });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : {} };
  }

  return {
    provider,
    url,
    post: (path, form, headers = {}) => send(path, { method: 'POST', body: new URLSearchParams(form), headers }),
    get: (path, headers = {}) => send(path, { headers }),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const credentials = { client_id: 'client', client_secret: client.client_secret };

/** What a person's agreement leaves behind. */
export async function grantAccess({ provider }: Node): Promise<string> {
  const grant = new provider.Grant({ accountId: ACCOUNT, clientId: 'client' });
  grant.addOIDCScope('openid offline_access');
  return grant.save();
}

export async function issueCode(node: Node, more: object = {}): Promise<{ code: string; grantId: string }> {
  const { provider } = node;
  const grantId = await grantAccess(node);
  const code = new provider.AuthorizationCode({
    accountId: ACCOUNT,
    client: (await provider.Client.find('client'))!,
    grantId,
    redirectUri: CALLBACK,
    scope: 'openid offline_access',
    gty: 'authorization_code',
    ...more,
  } as never);
  return { code: await code.save(), grantId };
}

export function redeem(node: Node, code: string): Promise<Answer> {
  return node.post('/token', { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, ...credentials });
}

export function refresh(node: Node, refreshToken: unknown, who: Record<string, string> = credentials): Promise<Answer> {
  return node.post('/token', { grant_type: 'refresh_token', refresh_token: String(refreshToken), ...who });
}

export async function isActive(node: Node, token: unknown): Promise<boolean> {
  const { body } = await node.post('/token/introspection', { token: String(token), ...credentials });
  return body.active === true;
}

export function authorizePath(clientId = 'client'): string {
  return `/auth?${new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid',
    prompt: 'none',
  })}`;
}

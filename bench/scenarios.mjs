import { createHash, randomBytes } from 'node:crypto';
import { openBrowser } from './browser.mjs';
import { header, requestBytes } from './connection.mjs';

/**
 * `prepare` runs once for each connection and is not measured; `iterate` is one iteration. `sides` says who takes part:
 * the bare engine, the service, and for documents a bare node server.
 */
export const scenarios = [
  document('discovery', 'discovery document', ({ origin }) => `${origin}/.well-known/openid-configuration`),
  document('jwks', 'key set', ({ endpoints }) => endpoints.jwks_uri),
  {
    name: 'cc-opaque',
    title: 'client_credentials, opaque',
    sides: ['engine', 'service'],
    prepare: async (_connection, target) => tokenRequest(target, { grant_type: 'client_credentials' }),
    iterate: exchangePrepared,
  },
  {
    name: 'cc-jwt',
    title: 'client_credentials, JWT ES256',
    sides: ['engine', 'service'],
    prepare: async (_connection, target) =>
      tokenRequest(target, { grant_type: 'client_credentials', resource: target.resource }),
    iterate: exchangePrepared,
  },
  {
    name: 'refresh',
    title: 'refresh, rotating, with ID token',
    sides: ['engine', 'service'],
    async prepare(connection, target, worker) {
      const { refresh_token } = await signInForTokens(connection, target, target.client, worker);
      return { target, refresh_token };
    },
    async iterate(connection, state) {
      const { target, refresh_token } = state;
      const form = { grant_type: 'refresh_token', refresh_token };
      const tokens = await connection.request(target.endpoints.token_endpoint, {
        form,
        headers: { Authorization: basic(target.client) },
      });
      state.refresh_token = json(tokens).refresh_token;
      if (state.refresh_token === refresh_token) throw new Error('the refresh token was not rotated');
    },
  },
  {
    name: 'introspection',
    title: "introspection, user's token",
    sides: ['engine', 'service'],
    async prepare(connection, target, worker) {
      const { access_token } = await signInForTokens(connection, target, target.client, worker);
      const request = { form: { token: access_token }, headers: { Authorization: basic(target.client) } };
      const { active } = json(await connection.request(target.endpoints.introspection_endpoint, request));
      if (active !== true) throw new Error('introspection says the fresh token is not active');
      return prepared(target, target.endpoints.introspection_endpoint, request.headers, request.form);
    },
    iterate: exchangePrepared,
  },
  {
    name: 'userinfo',
    title: 'userinfo',
    sides: ['engine', 'service'],
    async prepare(connection, target, worker) {
      const { access_token } = await signInForTokens(connection, target, target.client, worker);
      return prepared(target, target.endpoints.userinfo_endpoint, { Authorization: `Bearer ${access_token}` });
    },
    iterate: exchangePrepared,
  },
  codeFlow('code-flow', 'code flow with a session', 'loginClient'),
  codeFlow('code-flow-refresh', 'code flow with a session and a refresh token', 'client'),
  {
    name: 'password',
    title: 'password sign-in, whole flow',
    sides: ['engine', 'service'],
    connections: 4,
    prepare: async (_connection, target, worker) => ({ target, worker }),
    async iterate(connection, { target, worker }) {
      await signInForTokens(connection, target, target.loginClient, worker);
    },
  },
  {
    name: 'api-key-introspection',
    title: 'introspection of an API key that is remembered',
    sides: ['service'],
    async prepare(connection, target, worker) {
      const request = {
        form: { token: target.users[worker].apiKey },
        headers: { Authorization: basic(target.client) },
      };
      const { active } = json(await connection.request(target.endpoints.introspection_endpoint, request));
      if (active !== true) throw new Error('introspection says the key is not active');
      return prepared(target, target.endpoints.introspection_endpoint, request.headers, request.form);
    },
    iterate: exchangePrepared,
  },
  {
    name: 'api-key-exchange',
    title: 'token exchange, an API key for a JWT ES256',
    sides: ['service'],
    prepare: async (_connection, target, worker) =>
      prepared(
        target,
        target.endpoints.token_endpoint,
        {},
        {
          client_id: 'api-keys',
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: target.users[worker].apiKey,
          subject_token_type: 'urn:daemun:oauth:token-type:api-key',
          resource: target.resource,
        },
      ),
    iterate: exchangePrepared,
  },
  {
    name: 'api-key-own-api',
    title: 'our own API by an API key, GET /api/v1/me',
    sides: ['service'],
    prepare: async (_connection, target, worker) =>
      prepared(target, `${target.origin}/api/v1/me`, { Authorization: `Bearer ${target.users[worker].apiKey}` }),
    iterate: exchangePrepared,
  },
  {
    name: 'cc-many-clients',
    title: 'client_credentials, opaque, each request by another client',
    sides: [],
    prepare: async (_connection, target, worker) => ({
      next: worker * 7,
      requests: target.clients?.map((client) =>
        tokenRequest({ ...target, client }, { grant_type: 'client_credentials' }),
      ),
    }),
    async iterate(connection, state) {
      await exchangePrepared(connection, state.requests[state.next++ % state.requests.length]);
    },
  },
  {
    name: 'sign-in-elsewhere',
    title: 'password sign-in, whole flow, and a refresh; each from another address',
    sides: [],
    prepare: async (_connection, target, worker) => ({ target, worker, turn: 0 }),
    async iterate(connection, state) {
      const { target, worker } = state;
      const from = cameFrom(connection, addressOf(worker, ++state.turn));
      const { refresh_token } = await signInForTokens(from, target, target.client, worker);
      const form = { grant_type: 'refresh_token', refresh_token };
      const headers = { Authorization: basic(target.client) };
      json(await from.request(target.endpoints.token_endpoint, { form, headers }));
    },
  },
  {
    name: 'password-guesses',
    title: 'passwords of people who do not exist',
    sides: [],
    prepare: async (connection, target) =>
      openBrowser(connection, target.origin).openSignIn(authorizationUrl(target, target.loginClient, pkce())),
    async iterate(_connection, guess) {
      const { status } = await guess(`${randomBytes(9).toString('hex')}@bench.example`, 'one of many guesses');
      if (status !== 422 && status !== 503) throw new Error(`a guess was answered by ${status}`);
      return status;
    },
  },
];

function document(name, title, urlOf) {
  return {
    name,
    title,
    sides: ['engine', 'service', 'bare'],
    prepare: async (_connection, target) => prepared(target, urlOf(target)),
    iterate: exchangePrepared,
  };
}

function codeFlow(name, title, clientName) {
  return {
    name,
    title,
    sides: ['engine', 'service'],
    async prepare(connection, target, worker) {
      const client = target[clientName];
      const browser = openBrowser(connection, target.origin);
      await browser.signIn(authorizationUrl(target, client, pkce()), { ...target.users[worker], ...target });
      return { target, client, cookie: browser.cookie(target.endpoints.authorization_endpoint) };
    },
    async iterate(connection, { target, client, cookie }) {
      const proof = pkce();
      const url = authorizationUrl(target, client, proof, { prompt: 'none' });
      const response = await connection.request(url, { headers: { Cookie: cookie } });
      await redeem(connection, target, client, header(response, 'location') ?? '', proof, response);
    },
  };
}

/** As a proxy on this machine says where a request came from. */
function cameFrom(connection, address) {
  return {
    request: (url, { headers, ...more } = {}) =>
      connection.request(url, { ...more, headers: { ...headers, 'X-Forwarded-For': address } }),
  };
}

function addressOf(worker, turn) {
  return `10.${worker}.${(turn >> 8) & 255}.${turn & 255}`;
}

async function signInForTokens(connection, target, client, worker) {
  const proof = pkce();
  const browser = openBrowser(connection, target.origin);
  const callback = await browser.signIn(authorizationUrl(target, client, proof), {
    ...target.users[worker],
    redirectUri: target.redirectUri,
  });
  return redeem(connection, target, client, callback, proof);
}

async function redeem(connection, target, client, callback, { verifier }, response) {
  const code = URL.canParse(callback) ? new URL(callback).searchParams.get('code') : undefined;
  if (!code) throw new Error(`no code in ${callback || `${response?.status} ${response?.text().slice(0, 600)}`}`);
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: target.redirectUri };
  const headers = { Authorization: basic(client) };
  return json(await connection.request(target.endpoints.token_endpoint, { form, headers }));
}

function authorizationUrl({ endpoints, redirectUri }, client, { challenge }, more = {}) {
  const parameters = {
    client_id: client.id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: 'bench',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...more,
  };
  return `${endpoints.authorization_endpoint}?${new URLSearchParams(parameters)}`;
}

function pkce() {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

function tokenRequest(target, form) {
  return prepared(target, target.endpoints.token_endpoint, { Authorization: basic(target.client) }, form);
}

function prepared(target, url, headers, form) {
  return { bytes: requestBytes(new URL(target.origin).host, url, headers, form) };
}

async function exchangePrepared(connection, { bytes }) {
  const response = await connection.exchange(bytes);
  if (response.status !== 200) json(response);
}

function basic({ id, secret }) {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

function json(response) {
  const text = response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text.slice(0, 600)}`);
  return JSON.parse(text);
}

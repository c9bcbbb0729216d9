// The baseline: the bare engine on an unbounded Map, one static confidential client, nothing of our own.
// A process of its own, told by IPC what to serve, answering with its origin.
import { createServer } from 'node:http';
import bcrypt from 'bcrypt';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

/** As the service: no more hashes at once than this, so that both do the same work. */
const MAX_HASHES = 2;

const KINDS = ['AccessToken', 'ClientCredentials', 'Grant', 'IdToken', 'Interaction', 'RefreshToken', 'Session'];

process.once('message', (settings) => start(settings).then((origin) => process.send({ origin })));

async function start({ port, client, loginClient, redirectUri, resources, users, bcryptCost }) {
  const issuer = `http://127.0.0.1:${port}`;
  const passwords = new Map();
  for (const { login, password } of users) passwords.set(login, await bcrypt.hash(password, bcryptCost));
  const provider = new Provider(issuer, {
    adapter: MapAdapter,
    clients: [
      clientMetadata(client, redirectUri, ['authorization_code', 'refresh_token', 'client_credentials']),
      clientMetadata(loginClient, redirectUri, ['authorization_code']),
    ],
    jwks: { keys: await makeKeys() },
    cookies: { keys: ['bench'] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    pkce: { required: () => true },
    issueRefreshToken: (_ctx, { grantTypes }) => grantTypes.includes('refresh_token'),
    rotateRefreshToken: true,
    // Numbers, so that the engine is silent; none matters here.
    ttl: Object.fromEntries(KINDS.map((kind) => [kind, 900])),
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    loadExistingGrant,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, identifier) => ({
          audience: identifier,
          scope: '',
          accessTokenTTL: 900,
          accessTokenFormat: resources[identifier],
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  const handle = provider.callback();
  const signIn = createSignIn(provider, passwords);
  const server = createServer((request, response) => {
    if (request.url.startsWith('/interaction/')) signIn(request, response).catch(() => response.destroy());
    else handle(request, response);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return issuer;
}

function clientMetadata({ id, secret }, redirectUri, grantTypes) {
  return {
    client_id: id,
    client_secret: secret,
    redirect_uris: [redirectUri],
    grant_types: grantTypes,
    id_token_signed_response_alg: 'ES256',
  };
}

/** Four keys, as the service has. */
async function makeKeys() {
  const algorithms = ['ES256', 'RS256', 'PS256', 'EdDSA'];
  return Promise.all(
    algorithms.map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true });
      return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg };
    }),
  );
}

/** Ours skips consent for first-party clients; so does this. */
async function loadExistingGrant(ctx) {
  const { client, session, provider, result } = ctx.oidc;
  const id = result?.consent?.grantId || session.grantIdFor(client.clientId);
  if (id) return provider.Grant.find(id);
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid offline_access profile email');
  await grant.save();
  return grant;
}

function createSignIn(provider, passwords) {
  const compare = limit(MAX_HASHES, bcrypt.compare);
  return async (request, response) => {
    if (request.method === 'GET') {
      await provider.interactionDetails(request, response);
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end('<form method="post"><input name="email"><input name="password"><button>Sign in</button></form>');
      return;
    }
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    const login = form.get('email');
    if (!(await compare(form.get('password'), passwords.get(login)))) throw new Error('wrong password');
    await provider.interactionFinished(request, response, { login: { accountId: login } });
  };
}

function limit(most, work) {
  const queue = [];
  let running = 0;
  return async (...args) => {
    if (running >= most) await new Promise((resolve) => queue.push(resolve));
    running += 1;
    try {
      return await work(...args);
    } finally {
      running -= 1;
      queue.shift()?.();
    }
  };
}

const rows = new Map();
const byUid = new Map();
const grants = new Map();

class MapAdapter {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload) {
    const key = `${this.model}:${id}`;
    rows.set(key, payload);
    if (this.model === 'Session') byUid.set(payload.uid, key);
    if (payload.grantId) {
      const members = grants.get(payload.grantId) ?? new Set();
      grants.set(payload.grantId, members.add(key));
    }
  }

  async find(id) {
    return rows.get(`${this.model}:${id}`);
  }

  async findByUid(uid) {
    return rows.get(byUid.get(uid));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    rows.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    rows.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    for (const key of grants.get(grantId) ?? []) rows.delete(key);
    grants.delete(grantId);
  }
}

import { loadConfig } from '../dist/config/load.js';
import { openServices } from '../dist/services.js';
import { providers } from '../dist/upstreams/registry.js';
import { openBrowser } from './browser.mjs';
import { openConnection } from './connection.mjs';

const BY = { actor: 'bench' };
export const redirectUri = 'https://bench.example/callback';
export const jwtResource = 'https://api.bench.example';
const opaqueResource = 'https://opaque.bench.example';
export const resources = { [jwtResource]: 'jwt', [opaqueResource]: 'opaque' };

/** Fills the service's database by the service's own code, before it starts. People still have to choose their passwords. */
export async function seed(environment, count) {
  const services = await openServices(loadConfig(providers, environment));
  try {
    for (const [identifier, accessTokenFormat] of Object.entries(resources)) {
      created(await services.resourceServers.create({ identifier, name: identifier, accessTokenFormat }, BY));
    }
    const client = await createClient(services, 'all', ['authorization_code', 'refresh_token', 'client_credentials']);
    const loginClient = await createClient(services, 'sign-in', ['authorization_code']);
    const users = [];
    for (let index = 0; index < count; index++) {
      const login = `bench${index}@bench.example`;
      const outcome = created(await services.accounts.create({ email: login, emailVerified: true }, BY));
      const { token } = await services.oneTimeLinks.createInvitation(outcome.account.id, BY);
      const invitation = `${environment.ISSUER}/set-password/${token}`;
      const apiKey = await createApiKey(services, { kind: 'user', id: outcome.account.id });
      users.push({ login, password: `quiet harbour ${index} lantern orchard`, invitation, apiKey });
    }
    return { client, loginClient, users };
  } finally {
    await services.close();
  }
}

/** More clients, while no service runs on the database. */
export async function seedClients(environment, count) {
  const services = await openServices(loadConfig(providers, environment));
  try {
    const clients = [];
    for (let index = 0; index < count; index++) {
      clients.push(await createClient(services, `client ${index}`, ['client_credentials']));
    }
    return clients;
  } finally {
    await services.close();
  }
}

/** As people do, on the page. */
export async function choosePasswords(origin, users) {
  const connection = openConnection(origin);
  for (const { invitation, password } of users) {
    await openBrowser(connection, origin).choosePassword(invitation, password);
  }
  connection.close();
}

/** For an API of others and for our own. */
async function createApiKey({ apiKeys, issuer }, owner) {
  const access = { [jwtResource]: [], [`${issuer}/api/v1`]: ['profile:read'] };
  const outcome = created(await apiKeys.create(owner, { name: 'Bench', access }, { as: 'administrator' }, BY));
  return outcome.value.reveal();
}

async function createClient(services, name, grantTypes) {
  const outcome = await services.clients.create(
    {
      name: `Bench ${name}`,
      isFirstParty: true,
      resources: Object.keys(resources),
      metadata: {
        ...(grantTypes.includes('authorization_code') && { redirect_uris: [redirectUri] }),
        grant_types: grantTypes,
        id_token_signed_response_alg: 'ES256',
      },
    },
    BY,
  );
  created(outcome);
  return { id: outcome.client.id, secret: outcome.secret };
}

function created(outcome) {
  if (outcome.kind !== 'created') throw new Error(`seeding: ${JSON.stringify(outcome)}`);
  return outcome;
}

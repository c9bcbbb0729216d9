import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './node-process.mjs';

const BY = { actor: 'faults' };
export const redirectUri = 'https://faults.example/callback';

const load = (path) => import(pathToFileURL(join(root, 'dist', path)).href);

/** The service's own pieces in this process, on the database of that environment. */
export async function openProduct(environment) {
  const [{ loadConfig }, { openServices }, { providers }] = await Promise.all(
    ['config/load.js', 'services.js', 'upstreams/registry.js'].map(load),
  );
  return openServices(loadConfig(providers, environment));
}

/** Clients and people with passwords, before any node runs. */
export async function seed(environment, count, { invited = 0 } = {}) {
  const services = await openProduct(environment);
  try {
    const client = async (name, { grants, scope, isFirstParty = false }) => {
      const outcome = created(
        await services.clients.create(
          {
            name,
            isFirstParty,
            metadata: {
              ...(grants.includes('authorization_code') && { redirect_uris: [redirectUri] }),
              grant_types: grants,
            },
          },
          BY,
        ),
      );
      return { id: outcome.client.id, secret: outcome.secret, redirectUri, scope };
    };
    const browser = ['authorization_code', 'refresh_token'];
    const clients = {
      asking: await client('Asks for consent', { grants: browser, scope: 'openid email' }),
      own: await client('Our own', { grants: browser, scope: 'openid', isFirstParty: true }),
      machine: await client('A machine', { grants: ['client_credentials'] }),
    };
    const people = [];
    for (let index = 0; index < count; index++) people.push(await createPerson(services, index));
    const guests = [];
    for (let index = 0; index < invited; index++) guests.push(await invitePerson(services, index));
    return { clients, people, guests };
  } finally {
    await services.close();
  }
}

/** Has a link to choose a password by, and none yet. */
async function invitePerson(services, index) {
  const login = `guest${index}@faults.example`;
  const { account } = created(await services.accounts.create({ email: login, emailVerified: true }, BY));
  const { token } = await services.oneTimeLinks.createInvitation(account.id, BY);
  return { id: account.id, login, link: token, password: `quiet harbour ${index} lantern orchard` };
}

async function createPerson(services, index) {
  const login = `person${index}@faults.example`;
  const { account } = created(await services.accounts.create({ email: login, emailVerified: true }, BY));
  const { token } = await services.oneTimeLinks.createInvitation(account.id, BY);
  const password = `quiet harbour ${index} lantern orchard`;
  const outcome = await services.oneTimeLinks.completeSetPassword(token, { password }, BY);
  if (outcome.kind !== 'changed') throw new Error(`seeding: ${JSON.stringify(outcome)}`);
  return { id: account.id, login, password };
}

function created(outcome) {
  if (outcome.kind !== 'created') throw new Error(`seeding: ${JSON.stringify(outcome)}`);
  return outcome;
}

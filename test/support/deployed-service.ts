import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import * as oidc from 'openid-client';
import { loadConfig } from '../../src/config/load.ts';
import { openServices, type Services } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createBrowser, formOf, type Visit } from './flow-browser.ts';
import { authorizationRequest, connect } from './flow-client.ts';

/** Not requested: where a browser would be sent in the end. */
const REDIRECT_URI = 'https://app.example/callback';
export const PERSON = { email: 'ada@example.com', password: 'four unrelated quiet words' };

/** The pieces that the service with these variables has, in this process. */
export function openBeside(variables: Record<string, string>): Promise<Services> {
  return openServices(loadConfig(providers, variables));
}

/** Somebody to sign in and an application to sign in to. */
export async function populate({ accounts, clients }: Services): Promise<{ clientId: string }> {
  const by = { actor: 'test' };
  await accounts.create({ name: 'Ada Lovelace', ...PERSON }, by);
  const outcome = await clients.create(
    {
      name: 'Notes',
      isFirstParty: true,
      metadata: {
        redirect_uris: [REDIRECT_URI],
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
      },
    },
    by,
  );
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
  return { clientId: outcome.client.id };
}

/** A whole code flow as a browser and openid-client do it, each request on a connection of its own, and one refresh. */
export async function signInAndRefresh(
  issuer: string,
  clientId: string,
): Promise<{ tokens: oidc.TokenEndpointResponse; refreshed: oidc.TokenEndpointResponse }> {
  const config = await connect({ issuer }, { id: clientId });
  const { url, verifier, state, nonce } = await authorizationRequest(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid offline_access',
    prompt: 'consent',
  });
  const browser = createBrowser(issuer, { headers: { connection: 'close' } });
  let visit = await enterPassword(browser, await browser.open(url.href));
  for (let steps = 0; visit.response && steps < 3; steps++) {
    const [action, fields] = formOf(visit, /value="allow"/);
    visit = await browser.submit(action, { ...fields, decision: 'allow' });
  }
  if (visit.response) throw new Error(`no redirect to the client: ${visit.response.status} ${visit.text}`);
  const tokens = await oidc.authorizationCodeGrant(config, visit.url, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
  });
  return { tokens, refreshed: await oidc.refreshTokenGrant(config, tokens.refresh_token!) };
}

export async function enterPassword(
  browser: ReturnType<typeof createBrowser>,
  page: Visit,
  password = PERSON.password,
): Promise<Visit> {
  const [action, fields] = formOf(page, /name="password"/);
  return browser.submit(action, { ...fields, email: PERSON.email, password });
}

/** The processes that this one started, on Linux. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(parent) === pid && state !== 'Z';
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** A program on the path or among those of administrators. */
export function findProgram(name: string): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Asks until it is so. */
export async function until<Value>(
  what: string,
  ask: () => Promise<Value | undefined | false>,
  patience = 45_000,
): Promise<Value> {
  for (const deadline = Date.now() + patience; ; ) {
    const value = await ask().catch(() => undefined);
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

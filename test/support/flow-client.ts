import * as oidc from 'openid-client';
import { type Browser, createBrowser, type Visit } from './flow-browser.ts';
import { CALLBACK, type Flow } from './flow-server.ts';

export interface SignedIn {
  browser: Browser;
  tokens: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers;
}

/** openid-client, told about one registered client. */
export async function connect(
  { issuer }: Pick<Flow, 'issuer'>,
  { id, secret }: { id: string; secret?: string },
  { authentication, metadata }: { authentication?: oidc.ClientAuth; metadata?: Partial<oidc.ClientMetadata> } = {},
): Promise<oidc.Configuration> {
  const auth = authentication ?? (secret ? oidc.ClientSecretBasic(secret) : oidc.None());
  return oidc.discovery(new URL(issuer), id, metadata, auth, { execute: [oidc.allowInsecureRequests] });
}

/** An authorization request with everything a careful client sends; `parameters` adds to it, and takes away with null. */
export async function authorizationRequest(
  config: oidc.Configuration,
  parameters: Record<string, string | null> = {},
): Promise<{ url: URL; verifier: string; state: string; nonce: string }> {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const all = {
    redirect_uri: CALLBACK,
    scope: 'openid',
    state,
    nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...parameters,
  };
  const given = Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null));
  return { url: oidc.buildAuthorizationUrl(config, given), verifier, state, nonce };
}

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
type Json = any;

/** What an interaction page says, as the plain pages of `flow-server.ts` write it. */
export function pageOf({ text }: Pick<Visit, 'text'>): Record<string, Json> {
  return text.startsWith('{') ? JSON.parse(text) : {};
}

/** How somebody signed in, as the fields of the plain pages; by password when nothing is said. */
export type Means = { amr?: string; provider?: string };

/** Does what every page asks for until the browser is somewhere else: signs this person in, says yes. */
export async function answerPages(visit: Visit, browser: Browser, accountId: string, means?: Means): Promise<Visit> {
  let current = visit;
  for (let steps = 0; steps < 5; steps++) {
    const page = pageOf(current);
    if (page.screen !== 'interaction') return current;
    const step = page.prompt === 'login' ? 'login' : 'consent';
    current = await browser.submit(`${current.url.pathname}/${step}`, { account: accountId, ...means });
  }
  throw new Error('the pages do not end');
}

/** The whole code flow. */
export async function signIn(
  flow: Flow,
  config: oidc.Configuration,
  accountId: string,
  options: {
    browser?: Browser;
    parameters?: Record<string, string | null>;
    tokenParameters?: Record<string, string>;
    means?: Means;
    dpop?: oidc.DPoPHandle;
  } = {},
): Promise<SignedIn & { callback: URL }> {
  const browser = options.browser ?? createBrowser(flow.origin);
  const { url, verifier, state, nonce } = await authorizationRequest(config, options.parameters);
  const visit = await answerPages(await browser.open(url.href), browser, accountId, options.means);
  if (visit.response) throw new Error(`no redirect to the client: ${visit.response.status} ${visit.text}`);
  const { parameters = {} } = options;
  const tokens = await oidc.authorizationCodeGrant(
    config,
    visit.url,
    {
      ...(parameters.code_challenge !== null && { pkceCodeVerifier: verifier }),
      ...(parameters.state !== null && { expectedState: parameters.state ?? state }),
      ...(parameters.nonce !== null && { expectedNonce: parameters.nonce ?? nonce }),
    },
    options.tokenParameters,
    options.dpop && { DPoP: options.dpop },
  );
  return { browser, tokens, callback: visit.url };
}

/** A call to an endpoint without a library in between. */
export async function post(
  url: string,
  body: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; text: string; json: Json }> {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof body === 'string' ? body : new URLSearchParams(body).toString(),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text.startsWith('{') ? JSON.parse(text) : {},
  };
}

export function basic({ id, secret }: { id: string; secret: string }): Record<string, string> {
  const encode = (text: string) => encodeURIComponent(text).replace(/%20/g, '+');
  return { authorization: `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}` };
}

/** A code that waits to be redeemed by hand, and the fields to redeem it with. */
export async function obtainCode(
  flow: Flow,
  client: { id: string; secret?: string },
  accountId: string,
  options: { browser?: Browser; parameters?: Record<string, string | null> } = {},
): Promise<{ browser: Browser; code: string; form: Record<string, string> }> {
  const browser = options.browser ?? createBrowser(flow.origin);
  const { url, verifier } = await authorizationRequest(await connect(flow, client), options.parameters);
  const { url: callback } = await answerPages(await browser.open(url.href), browser, accountId);
  const code = callback.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${callback.href}`);
  const redirect_uri = options.parameters?.redirect_uri ?? CALLBACK;
  const withVerifier = options.parameters?.code_challenge !== null;
  return {
    browser,
    code,
    form: {
      grant_type: 'authorization_code',
      code,
      redirect_uri,
      ...(withVerifier && { code_verifier: verifier }),
    },
  };
}

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FakeEndpoint, FakePerson, FakeProvider, SeenRequest } from './fake-upstream.ts';
import { decide } from './fake-upstream-browser.ts';
import { createConsents } from './fake-upstream-consents.ts';
import { answerBadly, spoilCallback } from './fake-upstream-faults.ts';
import { createGrants, type Grant, type Grants, type Refusals, scopesOf } from './fake-upstream-grants.ts';
import { consentPage, errorPage, signedOutPage } from './fake-upstream-page.ts';

export type Routes = Map<string, (seen: SeenRequest, response: ServerResponse) => unknown>;

export type Problem = 'client' | 'redirectUri' | 'request';

/** In what a provider differs from others, besides what its tokens and profiles say. */
export interface ProviderRules<Endpoints> {
  /** In its addresses. */
  name: string;
  title: string;
  endpoints: Endpoints & { authorization: string };
  /** That its callbacks name (RFC 9207). */
  issuer: string;
  /** What its page says to who sends a wrong request; nobody is sent anywhere with it. */
  problems: Record<Problem, string>;
  refusals: Refusals;
  /** Whom its page offers, the most likely first. */
  offered(people: FakePerson[], params: URLSearchParams): FakePerson[];
  /** Whether who is signed in there and agreed before is sent back without a page. */
  skipsPage(params: URLSearchParams): boolean;
  /** What comes back beside code and state. */
  extras(grant: Omit<Grant, 'isFirstConsent'>): Record<string, string>;
  denial: Record<string, string>;
  /** Programs that its servers do not talk to. */
  turnsAway(headers: IncomingMessage['headers']): boolean;
  unauthorized: object;
}

export interface Playing<Endpoints> {
  fake: FakeProvider<Endpoints>;
  grants: Grants;
  serve(method: string, address: string, at: FakeEndpoint, answer: Answering): void;
  /** What a token request gets, and what a profile request gets. */
  redeemed(answer: (grant: Grant) => object | Promise<object>): Answering;
  profile(tell: (grant: Grant) => object): Answering;
}

type Answer = { status: number; json: unknown };
type Answering = (request: SeenRequest) => Promise<Answer> | Answer;

const HTML = { 'content-type': 'text/html; charset=utf-8' };

/** The part that all providers have in common: the page, the way back, and answers that can be wrong. */
export function playProvider<Endpoints>(
  rules: ProviderRules<Endpoints>,
  routes: Routes,
  { clientSecret = randomBytes(24).toString('base64url') }: { clientSecret?: string } = {},
): Playing<Endpoints> {
  const { name, title, endpoints } = rules;
  const client = { clientId: `${name}-client`, clientSecret };
  const grants = createGrants(client, rules.refusals);
  const consents = createConsents();
  const waiting: { at: FakeEndpoint; resolve(): void }[] = [];
  const { pathname: path, origin } = new URL(endpoints.authorization);
  const cookie = `${name}_session`;
  const fake: FakeProvider<Endpoints> = {
    ...client,
    endpoints,
    redirectUris: [],
    people: [],
    faults: {},
    issuer: rules.issuer,
    requests: [],
    nextRequest: (at) => new Promise((resolve) => waiting.push({ at, resolve })),
    decide: (url, decision) => decide(url, fake.people, decision),
    reset() {
      Object.assign(fake, { people: [], faults: {}, requests: [], issuer: rules.issuer, callbackFault: undefined });
      consents.forget();
    },
  };

  function problemOf(params: URLSearchParams): Problem | undefined {
    if (params.get('client_id') !== client.clientId) return 'client';
    if (!fake.redirectUris.includes(params.get('redirect_uri') ?? '')) return 'redirectUri';
    const isSound = params.get('response_type') === 'code' && params.get('code_challenge_method') === 'S256';
    return isSound && scopesOf(params).length ? undefined : 'request';
  }

  function sendBack(params: URLSearchParams, query: Record<string, string>, response: ServerResponse) {
    const back = new URL(params.get('redirect_uri')!);
    const state = params.get('state');
    const all = { ...(state !== null && { state }), ...(fake.issuer !== undefined && { iss: fake.issuer }), ...query };
    for (const [parameter, value] of Object.entries(all)) back.searchParams.set(parameter, value);
    if (fake.callbackFault) spoilCallback(back, fake.callbackFault);
    response.writeHead(302, { location: back.href }).end();
  }

  function sendBackAs(person: FakePerson, params: URLSearchParams, response: ServerResponse) {
    const scopes = scopesOf(params);
    const isFirstConsent = consents.add(person.subject, scopes);
    const code = grants.code({ person, params, isFirstConsent });
    sendBack(params, { code, ...rules.extras({ person, params, scopes }) }, response);
  }

  routes.set(`GET ${path}`, (seen, response) => {
    fake.requests.push(seen);
    const params = new URL(seen.url, origin).searchParams;
    const problem = problemOf(params);
    if (problem) return response.writeHead(400, HTML).end(errorPage(title, rules.problems[problem]));
    const signedIn = new RegExp(`(?:^|; )${cookie}=([^;]+)`).exec(seen.headers.cookie ?? '')?.[1];
    const person = fake.people.find(({ subject }) => subject === signedIn);
    if (person && rules.skipsPage(params) && consents.cover(person.subject, scopesOf(params))) {
      return sendBackAs(person, params, response);
    }
    const people = rules.offered(fake.people, params);
    return response.writeHead(200, HTML).end(consentPage({ title, action: path, params, people }));
  });

  routes.set(`POST ${path}`, ({ body }, response) => {
    const params = new URLSearchParams(body);
    const problem = problemOf(params);
    if (problem) return response.writeHead(400, HTML).end(errorPage(title, rules.problems[problem]));
    const person = fake.people.find(({ subject }) => subject === params.get('as'));
    if (params.has('deny') || !person) return sendBack(params, { error: 'access_denied', ...rules.denial }, response);
    response.setHeader('set-cookie', `${cookie}=${person.subject}; Path=/${name}; HttpOnly; SameSite=Lax`);
    return sendBackAs(person, params, response);
  });

  routes.set(`GET /${name}/logout`, (_seen, response) => {
    response.setHeader('set-cookie', `${cookie}=; Path=/${name}; Max-Age=0`);
    response.writeHead(200, HTML).end(signedOutPage(title));
  });

  return {
    fake,
    grants,

    serve(method, address, at, answer) {
      routes.set(`${method} ${new URL(address).pathname}`, async (seen, response) => {
        fake.requests.push(seen);
        const { status, json } = await answer(seen);
        const body = JSON.stringify(json);
        const fault = fake.faults[at] ?? (rules.turnsAway(seen.headers) ? 'status_403' : undefined);
        if (fault) answerBadly(response, fault, body);
        else response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(body);
        for (const one of waiting.splice(0)) {
          if (one.at === at) one.resolve();
          else waiting.push(one);
        }
      });
    },

    redeemed(answer) {
      return async ({ headers, body }) => {
        const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded');
        const result = isForm ? grants.redeem(new URLSearchParams(body)) : rules.refusals.body;
        if (!('error' in result)) return { status: 200, json: await answer(result) };
        const { status, ...json } = result;
        return { status, json };
      };
    },

    profile(tell) {
      return ({ headers }) => {
        const grant = grants.ofHeader(headers.authorization);
        return grant ? { status: 200, json: tell(grant) } : { status: 401, json: rules.unauthorized };
      };
    },
  };
}

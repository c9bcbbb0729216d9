import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { createOutbound } from '../../src/platform/http/outbound.ts';
import { createDiscord } from '../../src/upstreams/discord.ts';
import { createGoogle } from '../../src/upstreams/google.ts';
import {
  begin,
  type FederatedService,
  leaveFor,
  redeem,
  signInWith,
  startFederatedService,
  submitPassword,
  visitProvider,
} from '../support/flow-federation.ts';

const PERSON = { subject: '77', email: `${randomUUID()}@example.com`, verified: true, name: 'Hana Kim' };

/** Ends the wait of whoever waits for an upstream, in place of the five seconds. */
let patience = new AbortController();

let service: FederatedService;
beforeAll(async () => {
  service = await startFederatedService({
    async rebuild(_services, { google, discord }) {
      const common = { keepsTokens: false, fetch: createOutbound({ allowLoopback: true }) };
      const breaker = { deadline: () => patience.signal, failures: 100 };
      const upstreams = [createGoogle({ ...google, ...common, breaker }), createDiscord({ ...discord, ...common })];
      return { upstreams: await Promise.all(upstreams) };
    },
  });
  service.introduce(PERSON);
});
afterAll(() => service.close());
afterEach(() => {
  service.upstream.google.faults = {};
  patience = new AbortController();
});

test('S-108 a Google that hangs costs its own person the wait and a clear page, and nobody else anything', async () => {
  const accountId = await service.createPerson({ email: `${randomUUID()}@example.com`, userName: 'jiwoo' });
  const { google } = service.upstream;
  google.faults = { token: 'hang' };
  const waiting = await begin(service);
  const back = await google.decide((await leaveFor('google', waiting)).href, { as: PERSON.subject });
  const isAsked = google.nextRequest('token');
  let isAnswered = false;
  const page = waiting.browser.open(back.href).finally(() => {
    isAnswered = true;
  });
  await isAsked;

  // Meanwhile: a password, its tokens, a refresh, userinfo, and the other provider.
  const begun = await begin(service);
  const tokens = await redeem(service, begun, await submitPassword(begun, 'jiwoo'));
  expect(tokens.claims()).toMatchObject({ sub: accountId, amr: ['pwd'] });
  const refreshed = await oidc.refreshTokenGrant(service.relyingParty, tokens.refresh_token!);
  expect((await oidc.fetchUserInfo(service.relyingParty, refreshed.access_token, accountId)).sub).toBe(accountId);
  const other = await signInWith(service, 'discord', { as: PERSON.subject });
  expect(other.tokens.claims()).toMatchObject({ amr: ['fed'] });
  expect(isAnswered).toBe(false);

  patience.abort();
  const { response, url, text } = await page;
  expect([response?.status, url.pathname]).toEqual([503, expect.stringMatching(/\/google\/timeout$/)]);
  expect(text).toContain(`href="${waiting.visit.url.pathname}"`);
});

test('S-108 after it, the same person comes in by the way back, once Google answers again', async () => {
  const person = { ...PERSON, subject: '78', email: `${randomUUID()}@example.com` };
  service.introduce(person);
  service.upstream.google.faults = { token: 'status_503' };
  const begun = await begin(service);
  const page = await visitProvider(service, 'google', begun, { as: person.subject });
  expect([page.response?.status, page.url.pathname]).toEqual([503, expect.stringMatching(/\/google\/unavailable$/)]);
  service.upstream.google.faults = {};
  const start = await begun.browser.open(begun.visit.url.pathname);
  const end = await visitProvider(service, 'google', { ...begun, visit: start }, { as: person.subject });
  const { sub, amr } = (await redeem(service, begun, end)).claims()!;
  const account = await service.services.accounts.findByLogin(person.email);
  expect([sub, amr]).toEqual([account!.id, ['fed']]);
});

test.each([
  ['huge', 400, 'invalid'],
  ['broken_json', 400, 'invalid'],
  ['json_array', 400, 'invalid'],
  ['wrong_type', 400, 'invalid'],
  ['redirect', 400, 'invalid'],
  ['reset', 503, 'unavailable'],
  ['status_500', 503, 'unavailable'],
] as const)(
  'S-108 an answer that is %s ends at a page with a way back, and in no account',
  async (fault, status, problem) => {
    service.upstream.google.faults = { token: fault };
    const users = await service.services.database.prisma.user.count();
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: PERSON.subject });
    expect([page.response?.status, page.url.pathname.split('/').at(-1)]).toEqual([status, problem]);
    expect(page.text).toContain(`href="${begun.visit.url.pathname}"`);
    expect(await service.services.database.prisma.user.count()).toBe(users);
  },
);

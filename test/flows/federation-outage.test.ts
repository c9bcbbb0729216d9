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
    rebuild(_services, { google, discord }) {
      const common = { keepsTokens: false, fetch: createOutbound({ allowLoopback: true }) };
      const breaker = { deadline: () => patience.signal, failures: 100 };
      return { upstreams: [createGoogle({ ...google, ...common, breaker }), createDiscord({ ...discord, ...common })] };
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
  service.upstream.google.faults = { token: 'status_503' };
  const begun = await begin(service);
  const page = await visitProvider(service, 'google', begun, { as: PERSON.subject });
  expect([page.response?.status, page.url.pathname]).toEqual([503, expect.stringMatching(/\/google\/unavailable$/)]);
  service.upstream.google.faults = {};
  const start = await begun.browser.open(begun.visit.url.pathname);
  const left = await leaveFor('google', { ...begun, visit: start });
  expect(left.pathname).toContain('/google/');
});

test.each(['huge', 'broken_json', 'json_array', 'wrong_type', 'redirect', 'reset', 'status_500'] as const)(
  'S-108 an answer that is %s ends at a page with a way back, and in no account',
  async (fault) => {
    service.upstream.google.faults = { token: fault };
    const users = await service.services.database.prisma.user.count();
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: PERSON.subject });
    expect([400, 503]).toContain(page.response?.status);
    expect(page.text).toContain(`href="${begun.visit.url.pathname}"`);
    expect(await service.services.database.prisma.user.count()).toBe(users);
  },
);

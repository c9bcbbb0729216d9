import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  begin,
  type FederatedService,
  leaveFor,
  type ProviderName,
  redeem,
  signInWith,
  submitPassword,
  untilOffered,
  visitProvider,
} from '../support/flow-federation.ts';
import {
  BOTH,
  introduceSomebody,
  ONE_FACTOR,
  type Stranger,
  useFederatedService,
  wantsAcr,
} from '../support/flow-federation-people.ts';

let service: FederatedService;
useFederatedService((started) => {
  service = started;
});

let person: Stranger;
beforeEach(() => {
  person = introduceSomebody(service);
});

describe.each(BOTH)('idp_hint=%s', (provider) => {
  const hint = { idp_hint: provider };

  test('skips the page', async () => {
    const begun = await begin(service, hint);
    expect(begun.visit.response).toBeUndefined();
    expect(begun.visit.url.href).toContain(`${service.upstream.origin}/${provider}/`);
    const end = await visitProvider(service, provider, begun, { as: person.subject });
    expect((await redeem(service, begun, end)).claims()).toMatchObject({ amr: ['fed'] });
  });

  test('is a wish: whoever cancels there finds every way in', async () => {
    const begun = await begin(service, hint);
    const page = await visitProvider(service, provider, begun, { deny: true });
    const way = /href="(\/interaction\/[\w-]+)"/.exec(page.text)![1]!;
    const start = await begun.browser.open(way);
    expect(start.response?.status).toBe(200);
    for (const name of BOTH) expect(start.text).toContain(`/upstream/${name}`);
    expect(start.text).toContain('name="password"');
  });

  test('sends nobody away who is signed in already', async () => {
    const { browser } = await signInWith(service, provider, { as: person.subject });
    const { visit } = await begin(service, hint, browser);
    expect(visit.url.searchParams.has('code')).toBe(true);
  });

  test('does not go where a password is insisted on', async () => {
    const { visit } = await begin(service, { ...hint, ...wantsAcr(ONE_FACTOR) });
    expect(visit.response?.status).toBe(200);
    expect(visit.text).not.toContain('/upstream/');
  });

  test('of a provider that is disabled shows the page', async () => {
    const { upstreamConnections } = service.services;
    await upstreamConnections.disable(provider, {});
    const { visit } = await begin(service, hint);
    expect(visit.response?.status).toBe(200);
    await upstreamConnections.enable(provider, {});
    await untilOffered(service, provider, true);
  });
});

test.each(['myspace', 'GOOGLE', 'https://evil.example'])('idp_hint=%s is ignored', async (idp_hint) => {
  const { visit } = await begin(service, { idp_hint });
  expect(visit.response?.status).toBe(200);
  expect(visit.text).toContain('name="password"');
});

describe('S-164 what the application asks of the sign-in reaches the provider', () => {
  const thereFor = async (provider: ProviderName, parameters: Record<string, string>) =>
    (await leaveFor(provider, await begin(service, parameters))).searchParams;

  test('login_hint and ui_locales', async () => {
    const query = await thereFor('google', { login_hint: 'hana@example.com', ui_locales: 'ko en' });
    expect([query.get('login_hint'), query.get('hl')]).toEqual(['hana@example.com', 'ko']);
  });

  test.each<[ProviderName, Record<string, string>, string | null]>([
    ['google', {}, null],
    ['google', { prompt: 'login' }, 'select_account'],
    ['google', { max_age: '0' }, 'select_account'],
    ['google', { max_age: '3600' }, null],
    ['discord', {}, 'none'],
    ['discord', { prompt: 'login' }, 'consent'],
  ])('%s, %j: prompt is %j', async (provider, parameters, prompt) => {
    expect((await thereFor(provider, parameters)).get('prompt')).toBe(prompt);
  });

  test.each<Record<string, string>>([{ prompt: 'login' }, { max_age: '0' }, { max_age: '3600' }])(
    'S-017 %j: a Google sign-in of yesterday is no answer',
    async (parameters) => {
      person.authTime = Math.floor(Date.now() / 1000) - 86_400;
      const begun = await begin(service, parameters);
      const page = await visitProvider(service, 'google', begun, { as: person.subject });
      expect([page.response?.status, page.url.pathname]).toEqual([403, expect.stringMatching(/\/google\/stale$/)]);
      person.authTime = Math.floor(Date.now() / 1000) + 1;
      const again = await begin(service, parameters);
      const end = await visitProvider(service, 'google', again, { as: person.subject });
      expect((await redeem(service, again, end)).claims()).toMatchObject({ amr: ['fed'] });
    },
  );
});

test('S-018 who came by Google and meets an application that insists on a password proves it, and is who they were', async () => {
  const accountId = await service.createPerson({ email: person.email });
  const { prisma } = service.services.database;
  await prisma.federatedIdentity.create({
    data: { userId: accountId, provider: 'google', subject: person.subject },
  });
  const { browser, tokens } = await signInWith(service, 'google', { as: person.subject });
  expect(tokens.claims()).toMatchObject({ sub: accountId, acr: 'urn:daemun:acr:federated' });
  const begun = await begin(service, wantsAcr(ONE_FACTOR), browser);
  expect(begun.visit.text).not.toContain('/upstream/');
  const strong = await redeem(service, begun, await submitPassword(begun, person.email));
  expect(strong.claims()).toMatchObject({ sub: accountId, acr: ONE_FACTOR, amr: ['pwd'] });
});

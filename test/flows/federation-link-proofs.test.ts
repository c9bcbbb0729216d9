import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Visit } from '../support/flow-browser.ts';
import {
  type Begun,
  begin,
  type FederatedService,
  type ProviderName,
  proveByPassword,
  redeem,
  signInWith,
  untilOffered,
  visitProvider,
} from '../support/flow-federation.ts';
import {
  FEDERATED,
  introduceSomebody,
  linkSomebody,
  type Stranger,
  tracesOf,
  useFederatedService,
  WANTS_IDP,
} from '../support/flow-federation-people.ts';

let service: FederatedService;
/** Between the sign-in that proves the account and the statement that links. */
let beforeCompletion: () => Promise<unknown> = async () => {};
useFederatedService(
  (started) => {
    service = started;
  },
  {
    rebuild: async ({ federation }) => ({
      federation: {
        ...federation,
        async completeLink(...args) {
          await beforeCompletion();
          return federation.completeLink(...args);
        },
      },
    }),
  },
);

let person: Stranger;
let accountId: string;
beforeEach(async () => {
  person = introduceSomebody(service);
  // By Google, without a password.
  accountId = (await signInWith(service, 'google', { as: person.subject })).tokens.claims()!.sub;
});

const providersOf = async (id = accountId) =>
  (await service.services.federation.list(id)).map(({ provider }) => provider);

/** Back from Discord, at the page that asks for a proof. */
async function asked(parameters: Record<string, string> = {}): Promise<{ begun: Begun; page: Visit }> {
  const begun = await begin(service, parameters);
  return { begun, page: await visitProvider(service, 'discord', begun, { as: person.subject }) };
}

/** Presses "Continue with …" there, and says who they are there. */
async function proveAt(provider: ProviderName, { begun, page }: { begun: Begun; page: Visit }, as: string) {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)![1]!;
  const there = await begun.browser.submit(`${page.url.pathname}/${provider}`, { csrf });
  if (there.response) throw new Error(`not sent to ${provider}: ${there.url} ${there.text}`);
  return { there: there.url, back: await service.upstream[provider].decide(there.url.href, { as }) };
}

describe('S-094 S-103 an account without a password that is connected to another provider', () => {
  test('is proven there, once, and reached by both from then on', async () => {
    const link = await asked(WANTS_IDP);
    expect(link.page.url.pathname).toContain('/link/');
    expect(link.page.text).toContain('Continue with Google');
    expect(link.page.text).not.toContain('name="password"');
    const { there, back } = await proveAt('google', link, person.subject);
    expect([there.searchParams.get('login_hint'), there.searchParams.get('prompt')]).toEqual([
      person.email,
      'select_account',
    ]);
    expect(await providersOf()).toEqual(['google']);
    const end = await link.begun.browser.open(back.href);
    const tokens = await redeem(service, link.begun, end);
    expect(tokens.claims()).toMatchObject({ sub: accountId, amr: ['fed'], acr: FEDERATED, idp: 'discord' });
    expect(await providersOf()).toEqual(['google', 'discord']);
    for (const provider of ['google', 'discord'] as const) {
      const { tokens } = await signInWith(service, provider, { as: person.subject });
      expect(tokens.claims()!.sub).toBe(accountId);
    }
    // The same answer again is of no use.
    expect((await link.begun.browser.open(back.href)).url.pathname).toBe('/callback/google/spent');
  });

  const others: [string, () => Promise<Stranger>][] = [
    ['somebody new', async () => introduceSomebody(service)],
    ['somebody new with the same address', async () => introduceSomebody(service, { email: person.email })],
    ['somebody without an address', async () => introduceSomebody(service, { email: null })],
    [
      'the owner of another account',
      async () => {
        const other = introduceSomebody(service);
        await linkSomebody(service, 'google', other);
        return other;
      },
    ],
  ];
  test.each(others)('is not proven by %s: refused, nothing changed, and the owner still can', async (_, make) => {
    const other = await make();
    const link = await asked();
    const { prisma } = service.services.database;
    const before = [await prisma.user.count(), await prisma.federatedIdentity.count()];
    const { back } = await proveAt('google', link, other.subject);
    const refused = await link.begun.browser.open(back.href);
    expect([refused.response?.status, refused.url.pathname, refused.url.search]).toEqual([
      200,
      link.page.url.pathname,
      '?tried=google&problem=other',
    ]);
    expect(refused.text).toContain('isn’t connected to this account');
    expect([await prisma.user.count(), await prisma.federatedIdentity.count()]).toEqual(before);
    const proven = await proveAt('google', { ...link, page: { ...refused, url: link.page.url } }, person.subject);
    await redeem(service, link.begun, await link.begun.browser.open(proven.back.href));
    expect(await providersOf()).toEqual(['google', 'discord']);
  });

  test('is not proven in another browser, nor for another interaction', async () => {
    const link = await asked();
    const { back } = await proveAt('google', link, person.subject);
    const stranger = await begin(service);
    expect((await stranger.browser.open(back.href)).url.pathname).toBe('/callback/google/other-browser');
    const csrf = /name="csrf" value="([^"]+)"/.exec(stranger.visit.text)![1]!;
    const elsewhere = link.page.url.pathname.replace(/^\/interaction\/[\w-]+/, stranger.visit.url.pathname);
    expect((await stranger.browser.submit(`${elsewhere}/google`, { csrf })).response?.status).toBe(400);
    expect(await providersOf()).toEqual(['google']);
  });

  test('is proven twice at once, and linked once', async () => {
    const link = await asked();
    const answers = [await proveAt('google', link, person.subject), await proveAt('google', link, person.subject)];
    const ends = await Promise.all(answers.map(({ back }) => link.begun.browser.request(back.href)));
    const locations = ends.map((response) => response.headers.get('location')!);
    const arrived = await Promise.all(locations.map((location) => link.begun.browser.request(location)));
    expect(arrived.filter(({ headers }) => !headers.get('location')?.includes('/upstream/')).length).toBeGreaterThan(0);
    expect(await providersOf()).toEqual(['google', 'discord']);
  });

  test.each([
    ['S-101 the account was disabled', () => service.services.accounts.disable(accountId, {})],
    [
      'S-158 access was ended',
      () =>
        service.services.accounts.disable(accountId, {}).then(() => service.services.accounts.enable(accountId, {})),
    ],
  ])('is not linked when %s meanwhile', async (_, meanwhile) => {
    const link = await asked();
    const { back } = await proveAt('google', link, person.subject);
    await meanwhile();
    const end = await link.begun.browser.open(back.href);
    expect(end.url.pathname).toMatch(/\/google\/link-spent$/);
    expect(await providersOf()).toEqual(['google']);
  });

  test('S-100 is not linked when the provider that is to be linked was disabled and enabled meanwhile', async () => {
    const link = await asked();
    const { back } = await proveAt('google', link, person.subject);
    await service.services.upstreamConnections.disable('discord', {});
    await service.services.upstreamConnections.enable('discord', {});
    await untilOffered(service, 'discord', true);
    expect((await link.begun.browser.open(back.href)).url.pathname).toMatch(/\/google\/link-spent$/);
    expect(await providersOf()).toEqual(['google']);
  });
});

describe('S-100 S-103 what proved the account goes between its sign-in and the link', () => {
  afterEach(() => {
    beforeCompletion = async () => {};
  });

  async function proveWhile(change: () => Promise<unknown>) {
    const link = await asked();
    const { back } = await proveAt('google', link, person.subject);
    beforeCompletion = change;
    const before = await tracesOf(service);
    const end = await link.begun.browser.open(back.href);
    expect([end.response?.status, end.url.search]).toEqual([200, '?tried=google&problem=other']);
    expect(end.text).toContain('isn’t connected to this account');
    return { link, before };
  }

  test('unlinked: refused, nobody is signed in', async () => {
    const { prisma } = service.services.database;
    const rest = { provider: 'discord', subject: `rest-${person.subject}`, userId: accountId };
    const { before } = await proveWhile(async () => {
      await prisma.federatedIdentity.create({ data: rest });
      expect(await service.services.federation.unlink({ provider: 'google', accountId }, {})).toBe('done');
    });
    expect(await tracesOf(service)).toEqual(before);
    expect((await service.services.federation.list(accountId)).map(({ subject }) => subject)).toEqual([rest.subject]);
  });

  test.each(['closed', 'closed and opened again'])('its provider %s: refused, nobody is signed in', async (how) => {
    const { upstreamConnections } = service.services;
    const { before } = await proveWhile(async () => {
      await upstreamConnections.disable('google', {});
      if (how !== 'closed') await upstreamConnections.enable('google', {});
    });
    await upstreamConnections.enable('google', {});
    expect(await tracesOf(service)).toEqual(before);
    await untilOffered(service, 'google', true);
    expect(await providersOf()).toEqual(['google']);
  });

  test('a proof that was cancelled leads back to the link, which is as good as it was', async () => {
    const link = await asked();
    const csrf = /name="csrf" value="([^"]+)"/.exec(link.page.text)![1]!;
    const there = await link.begun.browser.submit(`${link.page.url.pathname}/google`, { csrf });
    const back = await service.upstream.google.decide(there.url.href, { deny: true });
    const page = await link.begun.browser.open(back.href);
    expect([page.url.pathname, page.text.includes('You cancelled at Google.')]).toEqual([link.page.url.pathname, true]);
    const proven = await proveAt('google', { ...link, page: { ...page, url: link.page.url } }, person.subject);
    await redeem(service, link.begun, await link.begun.browser.open(proven.back.href));
    expect(await providersOf()).toEqual(['google', 'discord']);
  });
});

test('an account that has a password is proven by it and by nothing else', async () => {
  const other = introduceSomebody(service);
  const { accountId: id } = await linkSomebody(service, 'google', other);
  const begun = await begin(service);
  const page = await visitProvider(service, 'discord', begun, { as: other.subject });
  expect(page.text).not.toContain(`action="${page.url.pathname}/google"`);
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)![1]!;
  expect((await begun.browser.submit(`${page.url.pathname}/google`, { csrf })).response?.status).toBe(404);
  await redeem(service, begun, await proveByPassword(begun.browser, page));
  expect(await providersOf(id)).toEqual(['google', 'discord']);
});

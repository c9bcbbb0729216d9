import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import {
  begin,
  type FederatedService,
  leaveFor,
  type ProviderName,
  proveByPassword,
  redeem,
  signInWith,
  visitProvider,
} from '../support/flow-federation.ts';
import {
  BOTH,
  FEDERATED,
  introduceSomebody,
  ONE_FACTOR,
  type Stranger,
  useFederatedService,
  WANTS_IDP,
} from '../support/flow-federation-people.ts';

let service: FederatedService;
useFederatedService((started) => {
  service = started;
});

let person: Stranger;
beforeEach(() => {
  person = introduceSomebody(service);
});

const identitiesOf = (userId: string) => service.services.federation.list(userId);
const userCount = () => service.services.database.prisma.user.count();

describe.each(BOTH)('S-093 %s', (provider) => {
  test('a first sign-in makes an account with the verified address, and the second reaches the same', async () => {
    const first = await signInWith(service, provider, { as: person.subject });
    const { sub } = first.tokens.claims()!;
    expect(await service.services.accounts.find(sub)).toMatchObject({
      name: 'Hana Kim',
      email: { address: person.email, verified: true },
      isAdministrator: false,
      state: 'active',
    });
    const second = await signInWith(service, provider, { as: person.subject });
    expect(second.tokens.claims()!.sub).toBe(sub);
    expect(await identitiesOf(sub)).toMatchObject([{ provider, subject: person.subject }]);
    expect(sub).not.toBe(person.subject);
  });

  test('the tokens say what was done, when, and, for whoever asks, where', async () => {
    const before = Math.floor(Date.now() / 1000);
    person.authTime = before - 86_400;
    const { tokens } = await signInWith(service, provider, { as: person.subject, parameters: WANTS_IDP });
    const claims = tokens.claims()!;
    expect(claims).toMatchObject({ amr: ['fed'], acr: FEDERATED, idp: provider });
    // Ours, not the provider's of yesterday.
    expect(claims.auth_time).toBeGreaterThanOrEqual(before);
    const userinfo = await oidc.fetchUserInfo(service.relyingParty, tokens.access_token, claims.sub);
    expect(userinfo).toMatchObject({ sub: claims.sub, idp: provider });
    const silent = await signInWith(service, provider, { as: person.subject });
    expect(silent.tokens.claims()).not.toHaveProperty('idp');
  });

  test('an account that has the address is reached once its password proved it, and directly from then on', async () => {
    const accountId = await service.createPerson({ email: person.email });
    const begun = await begin(service, WANTS_IDP);
    const page = await visitProvider(service, provider, begun, { as: person.subject });
    expect(page.url.pathname).toMatch(/^\/interaction\/[\w-]+\/link\/[\w-]+$/);
    expect(await identitiesOf(accountId)).toEqual([]);
    const linked = await redeem(service, begun, await proveByPassword(begun.browser, page));
    expect(linked.claims()).toMatchObject({ sub: accountId, amr: ['fed', 'pwd'], acr: ONE_FACTOR, idp: provider });
    const { tokens } = await signInWith(service, provider, { as: person.subject });
    expect(tokens.claims()).toMatchObject({ sub: accountId, amr: ['fed'], acr: FEDERATED });
  });

  test('S-094 the address alone opens nothing, on both sides verified or not', async () => {
    for (const emailVerified of [false, true]) {
      const thief = introduceSomebody(service);
      const accountId = await service.createPerson({ email: thief.email, emailVerified });
      const begun = await begin(service);
      const page = await visitProvider(service, provider, begun, { as: thief.subject });
      const refused = await proveByPassword(begun.browser, page, 'not the password of that one');
      expect([refused.response?.status, refused.url.pathname]).toEqual([422, page.url.pathname]);
      expect(await identitiesOf(accountId)).toEqual([]);
    }
  });

  test('S-093 a changed address at the provider changes nothing about who it is', async () => {
    const { tokens } = await signInWith(service, provider, { as: person.subject });
    const victim = await service.createPerson({ email: `${randomUUID()}@example.com` });
    const { email } = (await service.services.accounts.find(victim))!;
    person.email = email!.address;
    const again = await signInWith(service, provider, { as: person.subject });
    expect(again.tokens.claims()!.sub).toBe(tokens.claims()!.sub);
    expect(await identitiesOf(victim)).toEqual([]);
  });
});

test('S-093 the same subject at two providers is two people', async () => {
  const google = await signInWith(service, 'google', { as: person.subject });
  person.email = `${randomUUID()}@example.com`;
  const discord = await signInWith(service, 'discord', { as: person.subject });
  expect(discord.tokens.claims()!.sub).not.toBe(google.tokens.claims()!.sub);
});

test('one account is reached by password, Google and Discord once each was proven', async () => {
  const accountId = await service.createPerson({ email: person.email });
  for (const provider of BOTH) {
    const begun = await begin(service);
    const page = await visitProvider(service, provider, begun, { as: person.subject });
    await redeem(service, begun, await proveByPassword(begun.browser, page));
  }
  for (const provider of BOTH) {
    const { tokens } = await signInWith(service, provider, { as: person.subject });
    expect(tokens.claims()!.sub).toBe(accountId);
  }
  expect((await identitiesOf(accountId)).map(({ provider }) => provider)).toEqual(BOTH);
});

test('S-103 the page that links is of one person, one identity and one use', async () => {
  const accountId = await service.createPerson({ email: person.email });
  const begun = await begin(service);
  const page = await visitProvider(service, 'google', begun, { as: person.subject });
  const stranger = await begin(service);
  const elsewhere = page.url.pathname.replace(/^\/interaction\/[\w-]+/, stranger.visit.url.pathname);
  expect((await stranger.browser.open(elsewhere)).response?.status).toBe(400);
  expect((await stranger.browser.open(page.url.pathname)).response?.status).toBe(400);
  await redeem(service, begun, await proveByPassword(begun.browser, page));
  const { prisma } = service.services.database;
  await prisma.federatedIdentity.deleteMany({ where: { userId: accountId } });
  const again = await begin(service, { prompt: 'login' }, begun.browser);
  const replayed = page.url.pathname.replace(/^\/interaction\/[\w-]+/, again.visit.url.pathname);
  expect((await begun.browser.open(replayed)).response?.status).toBe(410);
  expect(await identitiesOf(accountId)).toEqual([]);
});

test('somebody who cancels there comes back to every way in, and nothing was made', async () => {
  const users = await userCount();
  const begun = await begin(service);
  const page = await visitProvider(service, 'discord', begun, { deny: true });
  expect([page.response?.status, page.url.pathname]).toEqual([200, expect.stringMatching(/\/discord\/cancelled$/)]);
  // S-106 What the provider wrote about it is nowhere on the page.
  expect(page.text).not.toContain('The resource owner');
  const start = await begun.browser.open(begun.visit.url.pathname);
  const end = await visitProvider(service, 'google', { ...begun, visit: start }, { as: person.subject });
  expect((await redeem(service, begun, end)).claims()).toMatchObject({ amr: ['fed'] });
  expect(await userCount()).toBe(users + 1);
});

test.each<[ProviderName, string[]]>([
  ['google', ['email', 'openid', 'profile']],
  ['discord', ['email', 'identify']],
])('S-099 %s is asked for no more than who it is', async (provider, scopes) => {
  const there = await leaveFor(provider, await begin(service));
  expect(there.searchParams.get('scope')!.split(' ').sort()).toEqual(scopes);
  expect(there.searchParams.get('redirect_uri')).toBe(`${service.issuer}/callback/${provider}`);
});

import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { Environment } from '../../src/config/load.ts';
import type { FakePerson } from '../support/fake-upstream.ts';
import {
  begin,
  type FederatedService,
  leaveFor,
  type ProviderName,
  proveByPassword,
  redeem,
  signInWith,
  submitPassword,
  untilOffered,
  visitProvider,
} from '../support/flow-federation.ts';
import { BOTH, introduceSomebody, tracesOf, useFederatedService } from '../support/flow-federation-people.ts';

let service: FederatedService;
const useService = (env: Environment) =>
  useFederatedService(
    (started) => {
      service = started;
    },
    { env },
  );
const somebody = (details?: Partial<FakePerson>) => introduceSomebody(service, details);
const counts = () => tracesOf(service);

async function problemOf(provider: ProviderName, person: FakePerson) {
  const before = await counts();
  const begun = await begin(service);
  const { url, response } = await visitProvider(service, provider, begun, { as: person.subject });
  expect(await counts()).toEqual(before);
  return [response?.status, url.pathname.split('/').at(-1)];
}

const disable = (accountId: string) => service.services.accounts.disable(accountId, { actor: 'test' });

describe('where sign-up is open', () => {
  useService({ DAEMUN_SIGN_UP: 'open' });

  describe.each(BOTH)('S-111 %s', (provider) => {
    test.each<[string, Partial<FakePerson>, string]>([
      ['says that the address is not verified', { verified: false }, 'email-not-verified'],
      ['says nothing about that', { verified: undefined }, 'email-not-verified'],
      ['says it in some other way', { verified: 'true' }, 'email-not-verified'],
      ['has no address', { email: null }, 'email-missing'],
    ])('%s: nothing is made', async (_, details, problem) => {
      expect(await problemOf(provider, somebody(details))).toEqual([403, problem]);
    });

    test('S-094 an address that is not verified there links nothing that is here', async () => {
      const person = somebody({ verified: false });
      await service.createPerson({ email: person.email, emailVerified: true });
      expect(await problemOf(provider, person)).toEqual([403, 'email-not-verified']);
    });

    test('S-101 a disabled person does not enter, known or with an account of the same address', async () => {
      const known = somebody();
      const { tokens } = await signInWith(service, provider, { as: known.subject });
      await disable(tokens.claims()!.sub);
      expect(await problemOf(provider, known)).toEqual([403, 'account-disabled']);
      const unlinked = somebody();
      await disable(await service.createPerson({ email: unlinked.email }));
      expect(await problemOf(provider, unlinked)).toEqual([403, 'account-disabled']);
    });

    test('S-101 a deleted person does not come back as who they were', async () => {
      const person = somebody();
      const { tokens } = await signInWith(service, provider, { as: person.subject });
      await service.services.accounts.delete(tokens.claims()!.sub, { actor: 'test' });
      const begun = await begin(service);
      const end = await visitProvider(service, provider, begun, { as: person.subject });
      const { sub } = (await redeem(service, begun, end)).claims()!;
      expect(sub).not.toBe(tokens.claims()!.sub);
    });
  });

  test('S-101 being disabled between the button and the way back is in time', async () => {
    const person = somebody();
    const { tokens } = await signInWith(service, 'google', { as: person.subject });
    const begun = await begin(service);
    const there = await leaveFor('google', begun);
    const back = await service.upstream.google.decide(there.href, { as: person.subject });
    await disable(tokens.claims()!.sub);
    const page = await begun.browser.open(back.href);
    expect([page.response?.status, page.url.pathname]).toEqual([403, expect.stringMatching(/account-disabled$/)]);
  });

  test('S-101 being disabled while the password is asked for ends the link', async () => {
    const person = somebody();
    const accountId = await service.createPerson({ email: person.email });
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: person.subject });
    await disable(accountId);
    const answer = await proveByPassword(begun.browser, page);
    expect([answer.response?.status, answer.url.pathname]).toEqual([410, page.url.pathname]);
    expect(await service.services.federation.list(accountId)).toEqual([]);
  });

  test('S-105 an identity that was unlinked by the command line is nobody until it is proven again', async () => {
    const person = somebody();
    const accountId = await service.createPerson({ email: person.email });
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: person.subject });
    await redeem(service, begun, await proveByPassword(begun.browser, page));
    const listed = JSON.parse((await service.command('users', 'identities', person.email, '--json')).stdout);
    expect(listed).toMatchObject({ user: accountId, identities: [{ provider: 'google', subject: person.subject }] });
    const unlinked = await service.command('users', 'unlink-identity', person.email, 'google', '--json');
    expect(JSON.parse(unlinked.stdout)).toMatchObject({ changed: true });
    const again = await visitProvider(service, 'google', await begin(service), { as: person.subject });
    expect(again.url.pathname).toContain('/link/');
  });

  test('S-100 a disabled connection has no button, starts nothing and ends what is under way', async () => {
    const person = somebody();
    await signInWith(service, 'discord', { as: person.subject });
    const [waiting, away] = [await begin(service), await begin(service)];
    const there = await leaveFor('discord', away);
    const back = await service.upstream.discord.decide(there.href, { as: person.subject });
    const before = await counts();
    expect((await service.command('upstreams', 'disable', 'discord')).stdout).toBe('discord is disabled.\n');

    const returned = await away.browser.open(back.href);
    expect([returned.response?.status, returned.url.pathname]).toEqual([403, expect.stringMatching(/\/disabled$/)]);
    const started = await leaveFor('discord', waiting).catch((error: Error) => error.message);
    expect(started).toContain('/discord/disabled');
    await untilOffered(service, 'discord', false);
    expect((await begin(service)).visit.text).toContain('upstream/google');
    expect(await counts()).toEqual(before);

    expect((await service.command('upstreams', 'enable', 'discord')).stdout).toBe('discord is enabled.\n');
    await untilOffered(service, 'discord', true);
    // What was under way has ended with it.
    const late = await away.browser.open(back.href);
    expect([late.response?.status, late.url.pathname]).toEqual([400, expect.stringMatching(/\/expired$/)]);
    expect(await counts()).toEqual(before);
    const end = await visitProvider(service, 'discord', await begin(service), { as: person.subject });
    expect(end.url.searchParams.has('code')).toBe(true);
  });
});

describe('S-102 where sign-up is closed', () => {
  useService({ DAEMUN_SIGN_UP: 'closed' });

  test.each(BOTH)('%s makes no account for a stranger, and lets in who is linked', async (provider) => {
    expect(await problemOf(provider, somebody())).toEqual([403, 'sign-up-closed']);
    const person = somebody();
    const accountId = await service.createPerson({ email: person.email });
    const begun = await begin(service);
    const page = await visitProvider(service, provider, begun, { as: person.subject });
    await redeem(service, begun, await proveByPassword(begun.browser, page));
    const { tokens } = await signInWith(service, provider, { as: person.subject });
    expect(tokens.claims()!.sub).toBe(accountId);
  });

  test('the password beside it works as ever', async () => {
    const { email } = somebody();
    const accountId = await service.createPerson({ email });
    const begun = await begin(service);
    const tokens = await redeem(service, begun, await submitPassword(begun, email));
    expect(tokens.claims()).toMatchObject({ sub: accountId, amr: ['pwd'] });
  });
});

describe('S-102 where sign-up is for domains', () => {
  useService({
    DAEMUN_SIGN_UP: 'domains',
    DAEMUN_SIGN_UP_DOMAINS: 'example.com,corp.example',
    GOOGLE_HOSTED_DOMAINS: 'example.com,corp.example',
  });

  test.each([
    ['another domain', 'x@example.org', 'domain-not-allowed'],
    ['a subdomain', 'x@mail.example.com', 'domain-not-allowed'],
    ['a name that ends alike', 'x@notexample.com', 'domain-not-allowed'],
    ['a domain before another @', 'x@example.com@example.org', 'email-missing'],
  ])('%s is refused', async (_, email, problem) => {
    const hostedDomain = 'example.com';
    expect(await problemOf('google', somebody({ email, hostedDomain }))).toEqual([403, problem]);
  });

  test('S-094 the domain is not enough of a provider that does not answer for it, or for another of the list', async () => {
    expect(await problemOf('discord', somebody())).toEqual([403, 'domain-not-allowed']);
    expect(await problemOf('google', somebody({ hostedDomain: 'corp.example' }))).toEqual([403, 'domain-not-allowed']);
  });

  test('the domain in any spelling gets an account', async () => {
    const person = somebody({ email: `${randomUUID()}@EXAMPLE.com`, hostedDomain: 'example.com' });
    const { tokens } = await signInWith(service, 'google', { as: person.subject });
    expect(tokens.claims()).toMatchObject({ amr: ['fed'] });
  });

  test.each([[{}], [{ hostedDomain: 'corp.example.evil' }], [{ hostedDomain: 'evil.corp.example' }]])(
    'Google lets in by its claim about the organization, not by the address: not %j',
    async (claim) => {
      expect(await problemOf('google', somebody(claim))).toEqual([403, 'domain-not-allowed']);
    },
  );
});

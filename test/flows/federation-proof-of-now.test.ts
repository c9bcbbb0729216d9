import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  begin,
  type FederatedService,
  type ProviderName,
  redeem,
  signInWith,
  submitPassword,
  visitProvider,
} from '../support/flow-federation.ts';
import {
  BOTH,
  introduceSomebody,
  linkSomebody,
  type Stranger,
  tracesOf,
  useFederatedService,
} from '../support/flow-federation-people.ts';

const ASKED: Record<string, string>[] = [{ prompt: 'login' }, { max_age: '0' }, { max_age: '3600' }];

let service: FederatedService;
useFederatedService((started) => {
  service = started;
});

let person: Stranger;
beforeEach(() => {
  person = introduceSomebody(service);
});

const cases = ASKED.flatMap((asked) =>
  BOTH.map((provider) => [provider, asked] as [ProviderName, Record<string, string>]),
);

describe('S-016 S-164 a proof of now, of somebody who has a password here', () => {
  test.each(cases)('is not %s saying nothing of when: %j', async (provider, asked) => {
    const { accountId } = await linkSomebody(service, provider, person);
    const begun = await begin(service, { ...asked, login_hint: person.email });
    const before = await tracesOf(service);
    const page = await visitProvider(service, provider, begun, { as: person.subject });
    expect([page.response?.status, page.url.pathname, page.url.search]).toEqual([
      200,
      begun.visit.url.pathname,
      `?tried=${provider}`,
    ]);
    expect(page.text).toContain('Notes asks you to prove that it’s you right now.');
    expect(page.text).toContain(`value="${person.email}"`);
    expect(await tracesOf(service)).toEqual(before);
    const started = Math.floor(Date.now() / 1000);
    const tokens = await redeem(service, begun, await submitPassword({ ...begun, visit: page }, person.email));
    expect(tokens.claims()).toMatchObject({ sub: accountId, amr: ['pwd'] });
    expect(tokens.claims()!.auth_time).toBeGreaterThanOrEqual(started);
  });

  test.each(ASKED)('is Google saying that it was just now: %j', async (asked) => {
    const { accountId } = await linkSomebody(service, 'google', person);
    const begun = await begin(service, asked);
    person.authTime = Math.floor(Date.now() / 1000);
    const end = await visitProvider(service, 'google', begun, { as: person.subject });
    expect((await redeem(service, begun, end)).claims()).toMatchObject({ sub: accountId, amr: ['fed'] });
  });

  test('is asked of whoever has a session here, with nothing that cannot give it', async () => {
    const { accountId, browser } = await linkSomebody(service, 'discord', person);
    const begun = await begin(service, { prompt: 'login' }, browser);
    expect(begun.visit.text).toContain('name="password"');
    expect(begun.visit.text).not.toContain('/upstream/discord');
    // Who sends the form all the same is back at once.
    const csrf = /name="csrf" value="([^"]+)"/.exec(begun.visit.text)![1]!;
    const there = await browser.submit(`${begun.visit.url.pathname}/upstream/discord`, { csrf });
    const back = await service.upstream.discord.decide(there.url.href, { as: person.subject });
    const page = await browser.open(back.href);
    expect(page.url.search).toBe('?tried=discord');
    const tokens = await redeem(service, begun, await submitPassword({ ...begun, visit: page }, person.email));
    expect(tokens.claims()).toMatchObject({ sub: accountId, amr: ['pwd'] });
  });

  test('is asked of whoever the application names by an ID token, with nothing that cannot give it', async () => {
    const { browser } = await linkSomebody(service, 'discord', person);
    const silent = await begin(service, {}, browser);
    const { id_token } = await redeem(service, silent, silent.visit);
    const { visit } = await begin(service, { prompt: 'login', id_token_hint: id_token! });
    expect(visit.text).toContain('name="password"');
    expect(visit.text).not.toContain('/upstream/discord');
    // Nothing of the person is shown to whoever has such a token.
    expect(visit.text).not.toContain(person.email);
  });

  test('leaves the session that was there as it was, when they give up', async () => {
    const { accountId, browser } = await linkSomebody(service, 'discord', person);
    await begin(service, { prompt: 'login' }, browser);
    const silent = await begin(service, { prompt: 'none' }, browser);
    expect((await redeem(service, silent, silent.visit)).claims()).toMatchObject({
      sub: accountId,
      amr: ['fed', 'pwd'],
    });
  });
});

test.each(cases)('S-164 of somebody without a password, the word of %s is enough: %j', async (provider, asked) => {
  const first = await signInWith(service, provider, { as: person.subject });
  const again = await signInWith(service, provider, {
    as: person.subject,
    parameters: asked,
    browser: asked.max_age === '3600' ? undefined : first.browser,
  });
  expect(again.tokens.claims()).toMatchObject({ sub: first.tokens.claims()!.sub, amr: ['fed'] });
});

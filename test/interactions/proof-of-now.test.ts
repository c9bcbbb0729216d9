import { beforeEach, describe, expect, test } from '@jest/globals';
import { account, createBrowser, csrfIn, identity, pendingLogin, UID, useService } from './service.ts';

const page = `/interaction/${UID}`;
const back = `${page}/upstream/google?state=s&code=c`;
/** Asked of a sign-in, and whether it has to be a proof of now. */
const ASKED: [string, { freshSignIn?: boolean; maxAge?: number }, boolean][] = [
  ['nothing', {}, false],
  ['prompt=login', { freshSignIn: true }, true],
  ['a max_age', { maxAge: 3600 }, true],
];
const proofs = ASKED.filter(([, , isWanted]) => isWanted);

const service = useService();

const comeBack = (browser = createBrowser(service.issuer)) => browser.get(back);
const demanded = () => service.world.federate.mock.calls[0]![2];

describe('S-016 who comes back from a provider', () => {
  test.each(ASKED)('that does not say when, asked for %s', async (_, params, isWanted) => {
    service.world.pending = pendingLogin({ params });
    await comeBack();
    expect(demanded()).toEqual(isWanted ? { unlessPassword: true } : {});
  });

  test.each(ASKED)(
    'that says when, asked for %s, has proven it: a stale one does not come so far',
    async (_, params) => {
      service.world.pending = pendingLogin({ params });
      service.world.finishUpstream.mockResolvedValue({ kind: 'identified', identity: { ...identity, authTime: 1 } });
      await comeBack();
      expect(demanded()).toEqual({});
    },
  );
});

describe('S-016 who has to use their password', () => {
  beforeEach(() => {
    const params = { freshSignIn: true, loginHint: 'jiwoo@maru.example', uiLocales: ['en'] };
    service.world.pending = pendingLogin({ params });
    service.world.federate.mockResolvedValue({ kind: 'refused', reason: 'password_needed' });
  });

  async function shownAfterReturn(browser = createBrowser(service.issuer)) {
    const location = (await comeBack(browser)).headers.get('Location')!;
    return { location, shown: await browser.get(location) };
  }

  test('is back at the sign-in page, which says why, and has lost nothing', async () => {
    const { location, shown } = await shownAfterReturn();
    expect([location, shown.status]).toEqual([`${page}?tried=google`, 200]);
    expect(shown.html).toContain(
      'Maru Notes asks you to prove that it’s you right now. Your sign-in with Google can’t do that',
    );
    expect(shown.html).toMatch(/name="email"[^>]+value="jiwoo@maru.example"/);
    expect(shown.html).toContain('name="password"');
    expect(service.world.results).toEqual([]);
  });

  test('is not offered again what was not enough, and everything else', async () => {
    const { shown } = await shownAfterReturn();
    expect(shown.html).not.toContain('/upstream/google');
    expect(shown.html).toContain('/upstream/discord');
  });

  test('is told in their language, also after a change of it', async () => {
    const { location, shown } = await shownAfterReturn();
    expect(shown.html).toContain(`/language/ko?to=${encodeURIComponent(location)}`);
    service.world.pending = pendingLogin({ params: { freshSignIn: true, uiLocales: ['ko'] } });
    const { html } = await createBrowser(service.issuer).get(location);
    expect(html).toContain(
      'Maru Notes에서 지금 본인 확인을 요청했어요. Google 로그인만으로는 확인할 수 없으니 비밀번호로 로그인해 주세요.',
    );
  });

  test('stays whoever they wanted to be', async () => {
    service.world.pending = pendingLogin({
      params: { freshSignIn: true },
      accountId: account.id,
      reasons: ['login_prompt'],
    });
    const browser = createBrowser(service.issuer);
    const opened = await browser.get(`${page}?account=other`);
    await browser.post(`${page}/upstream/google?account=other`, { csrf: csrfIn(opened) });
    const { location, shown } = await shownAfterReturn(browser);
    expect(location).toBe(`${page}?account=other&tried=google`);
    expect(shown.html).toContain(`action="${page}/login?account=other"`);
    expect(shown.html).toContain('id="notice"');
  });

  test('is told what is wrong with the password instead, once one was sent', async () => {
    const browser = createBrowser(service.issuer);
    const { shown } = await shownAfterReturn(browser);
    const answer = await browser.post(`${page}/login`, { csrf: csrfIn(shown), email: 'jiwoo', password: '' });
    expect([answer.status, answer.html.includes('id="notice"')]).toEqual([422, false]);
  });
});

test.each([
  ['a provider that is not there', 'nobody', { freshSignIn: true }],
  ['a text', '<b>', { freshSignIn: true }],
  ['a provider, when nobody asked for a proof', 'google', {}],
])('an address that names %s says nothing', async (_, tried, params) => {
  service.world.pending = pendingLogin({ params });
  const { html } = await createBrowser(service.issuer).get(`${page}?tried=${encodeURIComponent(tried)}`);
  expect(html).not.toContain('id="notice"');
  expect(html).toContain('/upstream/google');
});

describe('S-016 of whom it is known already that they have a password', () => {
  const bound = { reasons: ['login_prompt'], accountId: account.id };
  const offered = ({ html }: { html: string }) =>
    [...html.matchAll(/\/upstream\/(\w+)/g)].map(([, provider]) => provider);
  const open = (path = page) => createBrowser(service.issuer).get(path);

  test.each(proofs)('only providers that can say when are offered: %s', async (_, params) => {
    service.world.pending = pendingLogin({ ...bound, params });
    expect(offered(await open())).toEqual(['google']);
    service.world.pending = pendingLogin({ params: { ...params, hintedAccountId: account.id } });
    expect(offered(await open())).toEqual(['google']);
    expect(service.world.hasPassword.mock.calls).toEqual([[account.id], [account.id]]);
  });

  test.each<[string, Parameters<typeof pendingLogin>[0], string]>([
    ['nobody is known', { params: { freshSignIn: true } }, page],
    ['no proof of now is asked for', bound, page],
    ['they want to be somebody else', { ...bound, params: { freshSignIn: true } }, `${page}?account=other`],
  ])('all are offered when %s', async (_, changes, path) => {
    service.world.pending = pendingLogin(changes);
    expect(offered(await open(path))).toEqual(['google', 'discord']);
    expect(service.world.hasPassword).not.toHaveBeenCalled();
  });

  test('S-164 all are offered to who has none', async () => {
    service.world.hasPassword.mockResolvedValue(false);
    service.world.pending = pendingLogin({ ...bound, params: { freshSignIn: true } });
    expect(offered(await open())).toEqual(['google', 'discord']);
  });

  test('idp_hint does not send them where they cannot prove it', async () => {
    service.world.pending = pendingLogin({ ...bound, params: { freshSignIn: true, idpHint: 'discord' } });
    expect((await open()).status).toBe(200);
    expect(service.world.begin).not.toHaveBeenCalled();
  });
});

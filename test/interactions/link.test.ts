import { describe, expect, test } from '@jest/globals';
import type { LinkOutcome } from '../../src/accounts/federation.ts';
import type { SignInOutcome } from '../../src/accounts/sign-in.ts';
import {
  account,
  createBrowser,
  csrfIn,
  LINK,
  linkWithoutPassword,
  pendingConsent,
  signedIn,
  submit,
  UID,
  useService,
} from './service.ts';

const service = useService();
const interaction = `/interaction/${UID}`;
const page = `${interaction}/link/${LINK}`;
const password = 'four unrelated words';
const BROWSER = expect.stringMatching(/^[\w-]{43}$/);

const prove = (fields: Record<string, string> = { password }) =>
  submit(createBrowser(service.issuer), page, { fields });

describe('the page', () => {
  test('says which provider and which account, and no more of the account than the address', async () => {
    const { status, html, headers } = await createBrowser(service.issuer).get(page);
    expect(status).toBe(200);
    expect(html).toContain('<h1>Link Google to your account</h1>');
    expect(html).toMatch(/name="email"[^>]+autocomplete="username"[^>]+value="jiwoo@maru.example" readonly/);
    expect(html).not.toMatch(/Kim Jiwoo|0198f0aa/);
    expect(html).toContain(`href="${interaction}"`);
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(service.world.findPendingLink.mock.calls).toEqual([[{ link: LINK, interaction: UID, browser: BROWSER }]]);
  });

  test('of an account without a password says whom to ask, and has no form', async () => {
    service.world.findPendingLink.mockResolvedValue(linkWithoutPassword());
    const { status, html } = await createBrowser(service.issuer).get(page);
    expect([status, html.includes('<form'), html.includes('invitation link')]).toEqual([200, false, true]);
    expect(html).toContain(`href="${interaction}"`);
  });

  test('S-154 is for this browser’s interaction only', async () => {
    const answer = await createBrowser(service.issuer).get(`/interaction/${'x'.repeat(43)}/link/${LINK}`);
    expect(answer.status).toBe(400);
    expect(service.world.findPendingLink).not.toHaveBeenCalled();
  });

  test('S-095 of a link that waits in another browser does not open, nor take a password', async () => {
    service.world.findPendingLink.mockResolvedValue(undefined);
    service.world.isElsewhere.mockResolvedValueOnce(true).mockResolvedValueOnce(true);
    const browser = createBrowser(service.issuer);
    const opened = await browser.get(page);
    const csrf = csrfIn(await browser.get(interaction));
    const answer = await browser.post(page, { csrf, password });
    for (const { status, html } of [opened, answer]) {
      expect([status, html.includes('<h1>This sign-in isn’t from this browser</h1>')]).toEqual([400, true]);
      expect(html).not.toMatch(/name="password"|Google|jiwoo@/);
    }
    expect(service.world.withPassword).not.toHaveBeenCalled();
  });

  test('is in both languages', async () => {
    const { html } = await createBrowser(service.issuer, { 'Accept-Language': 'ko' }).get(page);
    expect(html).toContain('<h1>Google 계정 연결</h1>');
  });
});

describe('S-094 S-103 the password of that account', () => {
  test('links, once, and signs in with all that was done', async () => {
    const { answer } = await prove({ email: 'somebody-else', password });
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/authorize/resumed']);
    expect(service.world.withPassword.mock.calls[0]![0]).toEqual({ login: 'jiwoo@maru.example', password });
    expect(service.world.completeLink.mock.calls[0]).toMatchObject([
      { link: LINK, interaction: UID, browser: BROWSER, accountId: account.id },
      { address: '127.0.0.1' },
    ]);
    // As of when the password was compared.
    const login = { accountId: account.id, accessGeneration: 3, amr: ['fed', 'pwd'], provider: 'google' };
    expect(service.world.results).toEqual([{ login }]);
    expect(answer.cookies.some((line) => line.startsWith('daemun_device='))).toBe(true);
  });

  test('is nobody else’s: an address can change hands', async () => {
    const other = { ...account, id: 'another' };
    service.world.withPassword.mockResolvedValue({ ...signedIn, account: other } as SignInOutcome);
    const { answer } = await prove();
    expect(answer.status).toBe(422);
    expect([service.world.completeLink.mock.calls, service.world.results, answer.cookies]).toEqual([[], [], []]);
  });

  test('S-119 that must be changed links nothing yet, and the link goes on with the new one', async () => {
    service.world.withPassword.mockResolvedValue({ ...signedIn, mustChangePassword: true } as SignInOutcome);
    const { answer } = await prove();
    expect(answer.headers.get('Location')).toBe(`/set-password/invitation-token?interaction=${UID}&link=${LINK}`);
    expect([service.world.completeLink.mock.calls, service.world.results]).toEqual([[], []]);
    const waits = { link: LINK, interaction: UID, browser: BROWSER, accountId: account.id };
    expect(service.world.keepForNewPassword.mock.calls).toEqual([[waits]]);
  });

  const refusals: [SignInOutcome, number, string][] = [
    [{ kind: 'refused' }, 422, 'The password isn’t right'],
    [{ kind: 'disabled' }, 403, 'This account has been disabled'],
    [{ kind: 'throttled', retryAfter: 120 }, 429, 'Please wait 2 minutes'],
    [{ kind: 'busy', retryAfter: 2 }, 503, 'Please try again in 2 seconds'],
  ];

  test.each(refusals)('with the outcome %j is asked for again', async (outcome, status, words) => {
    service.world.withPassword.mockResolvedValue(outcome);
    const { answer } = await prove();
    expect([answer.status, answer.html.includes(words), answer.html.includes(password)]).toEqual([status, true, false]);
    expect(answer.headers.get('Retry-After')).toBe('retryAfter' in outcome ? String(outcome.retryAfter) : null);
    expect([service.world.completeLink.mock.calls, service.world.results]).toEqual([[], []]);
  });

  test('that is empty is not tried', async () => {
    const { answer } = await prove({ password: '' });
    expect([answer.status, answer.html.includes('id="password-problem"')]).toEqual([422, true]);
    expect(service.world.withPassword).not.toHaveBeenCalled();
  });
});

describe('S-104 linking is begun by a form of ours and nothing else', () => {
  type Forgery = (browser: ReturnType<typeof createBrowser>, csrf: string) => ReturnType<typeof browser.post>;
  const forgeries: [string, Forgery][] = [
    ['without a token', (browser) => browser.post(page, { password })],
    ['with an empty token', (browser) => browser.post(page, { csrf: '', password })],
    ['with a token that is made up', (browser) => browser.post(page, { csrf: 'A'.repeat(43), password })],
    ['with the token in the address', (browser, csrf) => browser.post(`${page}?csrf=${csrf}`, { password })],
    ['with the token of this browser, by another', (_, csrf) => strangers().post(page, { csrf, password })],
    [
      'from another site',
      (browser, csrf) => browser.post(page, { csrf, password }, { 'Sec-Fetch-Site': 'cross-site' }),
    ],
    [
      'from a site beside',
      (browser, csrf) => browser.post(page, { csrf, password }, { 'Sec-Fetch-Site': 'same-site' }),
    ],
    [
      'of another origin',
      (browser, csrf) => browser.post(page, { csrf, password }, { Origin: 'https://evil.example' }),
    ],
  ];
  const strangers = () => createBrowser(service.issuer);

  test.each(forgeries)('%s: refused, and no identity is made', async (_what, forge) => {
    const browser = createBrowser(service.issuer);
    const csrf = csrfIn(await browser.get(page));
    expect((await forge(browser, csrf)).status).toBe(403);
    const { withPassword, completeLink, results } = service.world;
    expect([withPassword.mock.calls, completeLink.mock.calls, results]).toEqual([[], [], []]);
    // The very same browser, by the form.
    await browser.post(page, { csrf, password }, { Origin: service.issuer, 'Sec-Fetch-Site': 'same-origin' });
    expect(completeLink).toHaveBeenCalledTimes(1);
  });

  test('an address with everything in it only shows the page', async () => {
    const browser = createBrowser(service.issuer);
    const csrf = csrfIn(await browser.get(page));
    const { status } = await browser.get(`${page}?${new URLSearchParams({ csrf, password })}`);
    expect(status).toBe(200);
    const { withPassword, completeLink, results } = service.world;
    expect([withPassword.mock.calls, completeLink.mock.calls, results]).toEqual([[], [], []]);
  });
});

describe('S-103 a link', () => {
  test.each(['GET', 'POST'])('that is not there is a page that leads back to the sign-in: %s', async (method) => {
    const browser = createBrowser(service.issuer);
    const csrf = csrfIn(await browser.get(page));
    service.world.findPendingLink.mockResolvedValue(undefined);
    const answer = method === 'GET' ? await browser.get(page) : await browser.post(page, { csrf, password });
    expect([answer.status, answer.html.includes('This step has expired')]).toEqual([410, true]);
    expect(answer.html).toContain(`href="${interaction}"`);
    expect(service.world.withPassword).not.toHaveBeenCalled();
  });

  const lost: [LinkOutcome, (string | null)[], number, string][] = [
    [{ kind: 'spent' }, [null], 410, 'This step has expired'],
    [{ kind: 'taken' }, [`${interaction}/upstream/google/taken`], 409, 'This Google account is linked already'],
    [
      { kind: 'refused', reason: 'account_disabled' },
      [`${interaction}/upstream/google/account-disabled`],
      403,
      'This account has been disabled',
    ],
  ];

  test.each(lost)('that ends as %j signs nobody in', async (outcome, [location], status, title) => {
    service.world.completeLink.mockResolvedValue(outcome);
    const { answer, browser } = await prove();
    expect(answer.headers.get('Location')).toBe(location);
    const shown = location ? await browser.get(location) : answer;
    expect([shown.status, shown.html.includes(`<h1>${title}</h1>`)]).toEqual([status, true]);
    expect(service.world.results).toEqual([]);
  });

  test('S-143 is not proven while something else is asked', async () => {
    const browser = createBrowser(service.issuer);
    const csrf = csrfIn(await browser.get(page));
    service.world.pending = pendingConsent();
    const answer = await browser.post(page, { csrf, password });
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, interaction]);
    expect(service.world.withPassword).not.toHaveBeenCalled();
  });
});

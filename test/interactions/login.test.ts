import { beforeEach, describe, expect, test } from '@jest/globals';
import type { SignInOutcome } from '../../src/accounts/sign-in.ts';
import {
  account,
  createBrowser,
  csrfIn,
  type Page,
  pendingConsent,
  pendingLogin,
  signedIn,
  startService,
  UID,
  useService,
} from './service.ts';

const service = useService();
const page = `/interaction/${UID}`;

/** Opens the page and sends the form as a person would. */
async function signIn(fields: Record<string, string>, { path = page, browser = createBrowser(service.issuer) } = {}) {
  const opened = await browser.get(path);
  const action = /<form class="form" method="post" action="([^"]+)"/.exec(opened.html)![1]!;
  const answer = await browser.post(action.replaceAll('&amp;', '&'), { csrf: csrfIn(opened), ...fields });
  return { opened, answer, browser };
}

const rightPassword = { email: 'jiwoo', password: 'correct horse battery' };

describe('the page', () => {
  test('names the application, its host and its papers', async () => {
    const client = {
      id: 'maru',
      name: 'Maru Notes',
      isFirstParty: false,
      redirectHost: 'app.maru.example',
      logoUri: 'https://maru.example/logo.png',
      policyUri: 'https://maru.example/privacy',
      tosUri: 'https://maru.example/terms',
    };
    service.world.pending = pendingLogin({ client });
    const { html, status } = await createBrowser(service.issuer).get(page);
    expect(status).toBe(200);
    expect(html).toContain('to continue to <strong>Maru Notes</strong>');
    expect(html).toContain('app.maru.example');
    expect(html).toContain('href="https://maru.example/privacy"');
    expect(html).toContain('href="https://maru.example/terms"');
    expect(html).toContain(`<img src="${page}/logo"`);
    expect(html).not.toContain('https://maru.example/logo.png');
  });

  test('leaves out the host of our own applications', async () => {
    const client = { id: 'own', name: 'Hanok', isFirstParty: true, redirectHost: 'hanok.example' };
    service.world.pending = pendingLogin({ client });
    expect((await createBrowser(service.issuer).get(page)).html).not.toContain('hanok.example');
  });

  test('fills in the login hint', async () => {
    service.world.pending = pendingLogin({ params: { loginHint: 'kim@maru.example' } });
    expect((await createBrowser(service.issuer).get(page)).html).toContain('value="kim@maru.example"');
  });

  test('S-024 S-168 cannot be framed, runs nothing inline, and is not kept', async () => {
    const { headers } = await createBrowser(service.issuer).get(page);
    const policy = headers.get('Content-Security-Policy')!;
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/unsafe|nonce/);
    expect(headers.get('X-Frame-Options')).toBe('DENY');
    expect(headers.get('Referrer-Policy')).toBe('no-referrer');
    expect(headers.get('Cache-Control')).toBe('no-store');
  });

  test('S-154 an interaction of another browser is a friendly page, not a form', async () => {
    const { status, html } = await createBrowser(service.issuer).get(`/interaction/${'x'.repeat(43)}`);
    expect(status).toBe(400);
    expect(html).toContain('This sign-in has expired');
    expect(html).not.toContain('<form');
  });
});

describe('the right password', () => {
  test('hands the account to the protocol and remembers the browser', async () => {
    const { answer } = await signIn(rightPassword);
    expect(answer.status).toBe(303);
    expect(answer.headers.get('Location')).toBe('/authorize/resumed');
    expect(service.world.results).toEqual([{ login: { accountId: account.id, accessGeneration: 3, amr: ['pwd'] } }]);
    const cookie = answer.cookies.find((line) => line.startsWith('daemun_device='))!;
    expect(cookie).toContain('daemun_device=device-token-of-this-browser');
    expect(cookie).toMatch(/path=\/interaction; /i);
    expect(cookie).toMatch(/httponly/i);
    expect(cookie).toMatch(/samesite=lax/i);
    const days = (Date.parse(/expires=([^;]+)/i.exec(cookie)![1]!) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(360);
  });

  test('a browser that is known says so next time', async () => {
    const { browser } = await signIn(rightPassword);
    await signIn(rightPassword, { browser });
    expect(service.world.withPassword.mock.calls.map(([input]) => input.deviceToken)).toEqual([
      undefined,
      'device-token-of-this-browser',
    ]);
  });

  test('the name goes without the spaces around it, the password exactly as typed', async () => {
    await signIn({ email: '  jiwoo ', password: ' two spaces  ' });
    const [input, by] = service.world.withPassword.mock.calls[0]!;
    expect(input).toEqual({ login: 'jiwoo', password: ' two spaces  ' });
    expect(by).toMatchObject({ address: '127.0.0.1' });
    expect(by.requestId).toBeTruthy();
  });

  test('S-119 a password that must be changed signs nobody in yet', async () => {
    service.world.withPassword.mockResolvedValue({ ...signedIn, mustChangePassword: true } as SignInOutcome);
    const { answer } = await signIn(rightPassword);
    expect(answer.status).toBe(303);
    expect(answer.headers.get('Location')).toBe(`/set-password/invitation-token?interaction=${UID}`);
    expect(service.world.results).toEqual([]);
    const [userId, , proven] = service.world.createInvitation.mock.calls[0]!;
    expect([userId, proven?.accessGeneration]).toEqual([account.id, 3]);
  });
});

const refusals: [SignInOutcome, number, string][] = [
  [{ kind: 'refused' }, 422, 'The name or the password isn’t right'],
  [{ kind: 'disabled' }, 403, 'This account has been disabled'],
  [{ kind: 'throttled', retryAfter: 120 }, 429, 'Please wait 2 minutes'],
  [{ kind: 'busy', retryAfter: 2 }, 503, 'Please try again in 2 seconds'],
];

describe.each(refusals)('the outcome %j', (outcome, status, words) => {
  test(`is the form again, with ${status}, the name kept and the password gone`, async () => {
    service.world.withPassword.mockResolvedValue(outcome);
    const { answer } = await signIn({ email: 'jiwoo@maru.example', password: 'not this one' });
    expect(answer.status).toBe(status);
    expect(answer.html).toContain(words);
    expect(answer.html).toContain('value="jiwoo@maru.example"');
    expect(answer.html).not.toContain('not this one');
    expect(answer.headers.get('Retry-After')).toBe('retryAfter' in outcome ? String(outcome.retryAfter) : null);
    expect(answer.cookies).toEqual([]);
    expect(service.world.results).toEqual([]);
  });
});

test('S-122 an unknown name and a wrong password get the same answer, header by header and cookie by cookie', async () => {
  service.world.withPassword.mockResolvedValue({ kind: 'refused' });
  const browser = createBrowser(service.issuer);
  const wrong = (await signIn({ email: 'jiwoo', password: 'wrong password' }, { browser })).answer;
  const unknown = (await signIn({ email: 'nobody', password: 'wrong password' }, { browser })).answer;
  const comparable = ({ status, headers, html, cookies }: Page, name: string) => ({
    status,
    cookies,
    html: html.replaceAll(name, 'NAME'),
    headers: Object.fromEntries(
      [...headers].filter(([header]) => !['x-request-id', 'date', 'content-length'].includes(header)),
    ),
  });
  expect(comparable(unknown, 'nobody')).toEqual(comparable(wrong, 'jiwoo'));
});

test.each([
  [{ email: '', password: '' }, ['email', 'password']],
  [{ email: '   ', password: 'something' }, ['email']],
  [{ email: 'jiwoo', password: '' }, ['password']],
])('S-143 %j is not tried: the empty fields are named', async (fields, named) => {
  const { answer } = await signIn(fields);
  expect(answer.status).toBe(422);
  expect([...answer.html.matchAll(/id="(\w+)-problem"/g)].map((match) => match[1])).toEqual(named);
  expect(new RegExp(`<input[^>]+name="${named[0]}"[^>]+autofocus`).test(answer.html)).toBe(true);
  expect(service.world.withPassword).not.toHaveBeenCalled();
});

describe('signing in again', () => {
  beforeEach(() => {
    service.world.pending = pendingLogin({ reasons: ['login_prompt'], accountId: account.id });
  });

  test('S-016 is for whoever is signed in, whatever name comes with the form', async () => {
    const { opened } = await signIn({ email: 'somebody-else', password: 'a password' });
    expect(opened.html).toContain('Kim Jiwoo');
    expect(opened.html).toMatch(/name="email"[^>]+value="jiwoo@maru.example" readonly/);
    expect(service.world.withPassword.mock.calls[0]![0].login).toBe('jiwoo@maru.example');
    expect(service.world.results).toHaveLength(1);
  });

  test('ends nowhere when the name has changed hands meanwhile', async () => {
    service.world.withPassword.mockResolvedValue({
      ...signedIn,
      account: { ...account, id: 'another' },
    } as SignInOutcome);
    const { answer } = await signIn(rightPassword);
    expect(answer.status).toBe(422);
    expect(service.world.results).toEqual([]);
  });

  test('may be done as somebody else, when asked for', async () => {
    service.world.withPassword.mockResolvedValue({
      ...signedIn,
      account: { ...account, id: 'another' },
    } as SignInOutcome);
    const { opened, answer } = await signIn(
      { email: 'minsu', password: 'a password' },
      { path: `${page}?account=other` },
    );
    expect(opened.html).not.toContain('Kim Jiwoo');
    expect(answer.status).toBe(303);
    expect(service.world.withPassword.mock.calls[0]![0].login).toBe('minsu');
  });

  test.each([
    [{ reasons: ['id_token_hint'] }],
    [{ reasons: ['claims_id_token_sub_value'] }],
    [{ accountId: undefined }],
    [{ accountId: 'gone' }],
  ])('is open to anybody with %j', async (changes) => {
    service.world.pending = pendingLogin({ accountId: account.id, ...changes } as never);
    expect((await createBrowser(service.issuer).get(page)).html).not.toContain('readonly');
  });

  test('is open to anybody when the account is disabled', async () => {
    service.world.find.mockResolvedValueOnce({ ...account, state: 'disabled' });
    expect((await createBrowser(service.issuer).get(page)).html).not.toContain('readonly');
  });
});

describe('S-155 S-170 a form that is not ours', () => {
  const foreign: [string, (browser: ReturnType<typeof createBrowser>, csrf: string) => Promise<Page>, number][] = [
    ['without a token', (browser) => browser.post(`${page}/login`, rightPassword), 403],
    [
      'with a token of another browser',
      async (browser) => {
        const token = csrfIn(await createBrowser(service.issuer).get(page));
        return browser.post(`${page}/login`, { csrf: token, ...rightPassword });
      },
      403,
    ],
    [
      'without the cookie',
      (_, csrf) => createBrowser(service.issuer).post(`${page}/login`, { csrf, ...rightPassword }),
      403,
    ],
    [
      'from another origin',
      (browser, csrf) => browser.post(`${page}/login`, { csrf, ...rightPassword }, { Origin: 'https://evil.example' }),
      403,
    ],
    [
      'from another site',
      (browser, csrf) => browser.post(`${page}/login`, { csrf, ...rightPassword }, { 'Sec-Fetch-Site': 'cross-site' }),
      403,
    ],
    [
      'as JSON',
      (browser, csrf) =>
        browser.send(`${page}/login`, {
          method: 'POST',
          body: JSON.stringify({ csrf, ...rightPassword }),
          headers: { 'Content-Type': 'application/json' },
        }),
      415,
    ],
    [
      'with a field twice',
      (browser, csrf) =>
        browser.send(`${page}/login`, {
          method: 'POST',
          body: `csrf=${csrf}&email=a&email=b&password=c`,
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        }),
      400,
    ],
    [
      'larger than 64 KiB',
      (browser, csrf) => browser.post(`${page}/login`, { csrf, email: 'a', password: 'x'.repeat(70_000) }),
      413,
    ],
    ['by GET', (browser, csrf) => browser.get(`${page}/login?csrf=${csrf}&email=jiwoo&password=x`), 405],
    [
      'by PUT',
      (browser, csrf) =>
        browser.send(`${page}/login`, { method: 'PUT', body: new URLSearchParams({ csrf, ...rightPassword }) }),
      405,
    ],
  ];

  test.each(foreign)('%s', async (_, send, status) => {
    const browser = createBrowser(service.issuer);
    const answer = await send(browser, csrfIn(await browser.get(page)));
    expect(answer.status).toBe(status);
    expect(answer.html).toContain('<h1>');
    expect(service.world.withPassword).not.toHaveBeenCalled();
    expect(service.world.results).toEqual([]);
  });

  test('leads back to the page that can be tried again', async () => {
    const { html } = await createBrowser(service.issuer).post(`${page}/login`, rightPassword);
    expect(html).toContain('Please send that again');
    expect(html).toContain(`href="${page}"`);
  });
});

test('S-143 a password sent to a consent signs nobody in', async () => {
  const browser = createBrowser(service.issuer);
  const csrf = csrfIn(await browser.get(page));
  service.world.pending = pendingConsent();
  const answer = await browser.post(`${page}/login`, { csrf, ...rightPassword });
  expect([answer.status, answer.headers.get('Location')]).toEqual([303, page]);
  expect(service.world.withPassword).not.toHaveBeenCalled();
});

test('going back tells the application that access was denied', async () => {
  const browser = createBrowser(service.issuer);
  const opened = await browser.get(page);
  expect(opened.html).toContain(`action="${page}/abort"`);
  const answer = await browser.post(`${page}/abort`, { csrf: csrfIn(opened) });
  expect(answer.status).toBe(303);
  expect(service.world.results).toMatchObject([{ error: 'access_denied' }]);
});

test('S-151 on https the cookies are marked for it', async () => {
  const secure = await startService({ issuer: 'https://id.example' });
  try {
    const browser = createBrowser(secure.issuer);
    const opened = await browser.get(page);
    const answer = await browser.post(`${page}/login`, { csrf: csrfIn(opened), ...rightPassword });
    expect(answer.cookies.find((line) => line.startsWith('__Secure-daemun_device='))).toMatch(/; secure/i);
  } finally {
    await secure.close();
  }
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { tooManyRequests } from '../../src/platform/errors.ts';
import { createBrowser, pendingLogin, type Service, startService, UID } from './service.ts';

let service: Service;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service.close());

beforeEach(() => {
  service.world.pending = pendingLogin();
  service.world.setupNeeded.mockResolvedValue(false);
  service.world.fetchPicture.mockClear();
});

const get = (path: string, headers?: Record<string, string>) => createBrowser(service.issuer, headers).get(path);

describe('the start page', () => {
  test('leads to everything a developer looks for', async () => {
    const { html } = await get('/');
    for (const href of ['/playground', '/mailbox', '/.well-known/openid-configuration', '/.well-known/jwks.json']) {
      expect(html).toContain(`href="${href}"`);
    }
    expect(html).toContain(`<code id="issuer">${service.issuer}</code>`);
    expect(html).not.toContain('One step is left');
  });

  test('says that the administrator is missing', async () => {
    service.world.setupNeeded.mockResolvedValue(true);
    expect((await get('/')).html).toContain('One step is left');
  });
});

test('in production the start page leads to the account pages only for who is signed in', async () => {
  let isSignedIn = false;
  const account = { url: '/account/api-keys', isSignedIn: async () => isSignedIn };
  const production = await startService({ production: true, account });
  const page = async () => (await createBrowser(production.issuer).get('/')).html;
  expect(await page()).not.toContain('/account');
  isSignedIn = true;
  expect(await page()).toContain('href="/account/api-keys"');
  await production.close();
  const development = await startService({ account: { ...account, isSignedIn: async () => false } });
  expect((await createBrowser(development.issuer).get('/')).html).toContain('href="/account/api-keys"');
  await development.close();
});

describe('S-178 in production', () => {
  let production: Service;

  beforeAll(async () => {
    production = await startService({ production: true, setupNeeded: async () => true });
  });

  afterAll(() => production.close());

  test('the start page is quiet', async () => {
    const { html, status } = await createBrowser(production.issuer).get('/');
    expect(status).toBe(200);
    expect(html).not.toMatch(/playground|mailbox|setup|well-known|issuer/i);
  });

  test.each([
    '/playground',
    '/playground/callback',
    '/playground/callback?code=x',
    '/mailbox',
    '/assets/playground.js',
    '/assets/playground.0123456789abcdef.js',
    '/assets/playground.css',
  ])('S-178 %s does not exist', async (path) => {
    expect((await createBrowser(production.issuer).get(path)).status).toBe(404);
  });
});

test('the playground and the mailbox exist outside production only where they are wanted', async () => {
  const plain = await startService({ playground: false, mail: undefined });
  try {
    const hashed = plain.screens.assets.url('playground.js');
    for (const path of ['/playground', '/mailbox', '/assets/playground.js', '/assets/playground.css', hashed])
      expect([path, (await createBrowser(plain.issuer).get(path)).status]).toEqual([path, 404]);
  } finally {
    await plain.close();
  }
});

test('the mailbox makes links of addresses and nothing else', async () => {
  const text = 'Open http://localhost/set-password/abc. Not <a href="x">this</a> or javascript:alert(1)';
  const messages = [{ id: '1', recipient: 'a@b.example', subject: 'Hello', text, createdAt: new Date(0) }];
  const local = await startService({ mail: { list: async () => messages } });
  try {
    const { html } = await createBrowser(local.issuer).get('/mailbox');
    expect(html).toContain('<a href="http://localhost/set-password/abc">http://localhost/set-password/abc</a>. Not');
    expect(html).toContain('&lt;a href=&quot;x&quot;&gt;this');
    expect(html.match(/<div class="mail-text">[\s\S]*?<\/div>/)![0].match(/<a /g)).toHaveLength(1);
    expect(html).toContain('<time datetime="1970-01-01T00:00:00.000Z">');
  } finally {
    await local.close();
  }
});

describe('errors', () => {
  test.each([
    [{ error: 'invalid_client', description: 'client is invalid' }, 'This application isn’t known here'],
    [{ error: 'invalid_redirect_uri', description: 'redirect_uri did not match' }, 'We stopped this sign-in'],
    [{ error: 'invalid_request', description: '<script>alert(1)</script>' }, 'That didn’t work'],
    [{ error: 'constructor' }, 'That didn’t work'],
    [{ error: 'server_error', status: 500 }, 'Something went wrong'],
  ])('S-003 the protocol error %j is told in words, with the details folded away', async (error, words) => {
    const { html, status } = await get(`/authorize?error=${encodeURIComponent(JSON.stringify(error))}`);
    expect(status).toBe('status' in error ? error.status : 400);
    expect(html).toContain(`<h1>${words}</h1>`);
    expect(html).toContain('<details');
    expect(html).not.toContain('<script>');
  });

  test.each([
    ['/nowhere', 404, 'There is nothing here'],
    ['/Setup/x', 404, 'There is nothing here'],
    ['/setup/x/', 404, 'There is nothing here'],
    ['/interaction//login', 404, 'There is nothing here'],
    ['/assets/%2e%2e%2fpackage.json', 404, 'There is nothing here'],
    ['/setup/%zz', 400, 'That didn’t work'],
  ])('S-171 %s is %d', async (path, status, words) => {
    const answer = await get(path);
    expect(answer.status).toBe(status);
    expect(answer.html).toContain(words);
  });

  test.each([
    ['en', 'A short break, please', 'Please wait 42 seconds'],
    ['ko', '시도가 너무 많았어요', '42초 뒤에 다시 시도해 주세요'],
  ])(
    'S-132 too many sign-ins begun from one address are a page in %s that says how long',
    async (language, title, text) => {
      const error = { error: 'temporarily_unavailable', description: 'too many requests', status: 429, retryAfter: 42 };
      const { html, status } = await get(`/authorize?error=${encodeURIComponent(JSON.stringify(error))}`, {
        'Accept-Language': language,
      });
      expect(status).toBe(429);
      expect(html).toContain(`<h1>${title}</h1>`);
      expect(html).toContain(text);
    },
  );

  test('S-132 too many links opened from one address are a page that says how long', async () => {
    const limited = await startService({
      limitSignIns: () => {
        throw tooManyRequests(42);
      },
    });
    try {
      const answer = await createBrowser(limited.issuer).get('/setup/a-guess');
      expect(answer.status).toBe(429);
      expect(answer.headers.get('Retry-After')).toBe('42');
      expect(answer.html).toContain('Please wait 42 seconds');
      expect(answer.html).toContain('href="/setup/a-guess"');
    } finally {
      await limited.close();
    }
  });

  test('programs get JSON', async () => {
    const { html, headers } = await get('/nowhere', { Accept: 'application/json' });
    expect(headers.get('Content-Type')).toContain('application/problem+json');
    expect(JSON.parse(html)).toMatchObject({ code: 'not_found', status: 404 });
  });
});

describe('signing out', () => {
  test('asks with the engine’s own form and names the person', async () => {
    const { html } = await get('/logout');
    expect(html).toContain('<form id="op.logoutForm"></form>');
    expect(html).toContain('form="op.logoutForm" name="logout" value="yes"');
    expect(html).toContain('Kim Jiwoo');
  });

  test('ends with a way back', async () => {
    const { html } = await get('/logout/success');
    expect(html).toContain('You’re signed out');
    expect(html).toContain('href="https://maru.example/"');
  });
});

describe('the language', () => {
  const page = `/interaction/${UID}`;
  const languageOf = (html: string) => /<html lang="(\w+)">/.exec(html)?.[1];

  test.each([
    [undefined, 'en'],
    ['ko', 'ko'],
    ['ko-KR,ko;q=0.9,en;q=0.8', 'ko'],
    ['fr, en;q=0.5, ko;q=0.4', 'en'],
    ['fr', 'en'],
    ['*;q=0', 'en'],
    [`${'x,'.repeat(50)}ko`, 'ko'],
    // Longer than anybody's: not read to its end.
    [`${'x,'.repeat(500)}ko`, 'en'],
  ])('follows the browser: %s', async (accepted, language) => {
    const answer = await get('/', accepted === undefined ? {} : { 'Accept-Language': accepted });
    expect(languageOf(answer.html)).toBe(language);
    expect(answer.headers.get('Content-Language')).toBe(language);
    expect(answer.headers.get('Vary')).toContain('Accept-Language');
  });

  test('a choice is kept and beats the browser', async () => {
    const browser = createBrowser(service.issuer, { 'Accept-Language': 'en' });
    const href = /href="(\/language\/ko\?to=[^"]+)"/.exec((await browser.get('/playground')).html)![1]!;
    const answer = await browser.get(href);
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/playground']);
    expect(answer.cookies[0]).toMatch(/^daemun_language=ko; path=\/; .*samesite=lax; httponly/i);
    expect(languageOf((await browser.get('/')).html)).toBe('ko');
  });

  test('ui_locales beats an earlier choice, a choice on the very page beats ui_locales', async () => {
    const browser = createBrowser(service.issuer, { 'Accept-Language': 'en' });
    await browser.get('/language/en?to=/');
    service.world.pending = pendingLogin({ params: { uiLocales: ['fr-CA', 'ko'] } });
    const opened = await browser.get(page);
    expect(languageOf(opened.html)).toBe('ko');
    await browser.get(/href="(\/language\/en\?to=[^"]+)"/.exec(opened.html)![1]!);
    expect(languageOf((await browser.get(page)).html)).toBe('en');
  });

  test('pages of the protocol follow the ui_locales of their request', async () => {
    const error = encodeURIComponent(JSON.stringify({ error: 'invalid_client' }));
    expect(languageOf((await get(`/authorize?error=${error}&ui_locales=ko`)).html)).toBe('ko');
  });

  test('after a refused form the switch leads to the page, not to the address of the form', async () => {
    const { html } = await createBrowser(service.issuer).post(`${page}/login`, {});
    expect(html).toContain(`/language/ko?to=${encodeURIComponent(page)}`);
  });

  test.each([
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    'javascript:alert(1)',
    '',
    'evil',
    '/a\r\nSet-Cookie: x=y',
    '/ü',
  ])('S-003 the switch never leads to %j', async (to) => {
    const answer = await get(`/language/ko?to=${encodeURIComponent(to)}`);
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/']);
  });

  test('a language that is not there changes nothing', async () => {
    const answer = await get('/language/xx?to=/playground');
    expect([answer.status, answer.cookies]).toEqual([303, []]);
  });

  test.each(['xx', 'ko.<script>', '../ko', '%00', 'ko.', 'a'.repeat(4000)])(
    'a forged choice %j does no harm',
    async (value) => {
      const { status, html } = await get('/', { Cookie: `daemun_language=${value}`, 'Accept-Language': 'en' });
      expect([status, languageOf(html)]).toEqual([200, 'en']);
    },
  );
});

describe('assets', () => {
  test.each([
    ['daemun.css', 'text/css; charset=utf-8'],
    ['daemun.js', 'text/javascript; charset=utf-8'],
    ['playground.js', 'text/javascript; charset=utf-8'],
    ['favicon.svg', 'image/svg+xml'],
    ['apple-touch-icon.png', 'image/png'],
    ['branding.css', 'text/css; charset=utf-8'],
  ])('%s is kept for ever under its hash, and asked for again under its plain name', async (name, type) => {
    const hashed = await get(service.screens.assets.url(name));
    expect([hashed.status, hashed.headers.get('Content-Type')]).toEqual([200, type]);
    expect(hashed.headers.get('Cache-Control')).toBe('public, max-age=31536000, immutable');
    const plain = await get(`/assets/${name}`);
    expect(plain.headers.get('Cache-Control')).toBe('public, no-cache');
    const again = await get(`/assets/${name}`, {
      'If-None-Match': plain.headers.get('ETag')!,
      'Cache-Control': 'max-age=0',
    });
    expect([again.status, again.html]).toEqual([304, '']);
  });

  test('a hash of another version gets today’s file, and does not keep it', async () => {
    const answer = await get('/assets/daemun.0123456789abcdef.css');
    expect([answer.status, answer.headers.get('Cache-Control')]).toEqual([200, 'public, no-cache']);
  });

  test.each([
    '/assets/',
    '/assets/nothing.css',
    '/assets/..%2flogin.eta',
    '/assets/%2e%2e/login.eta',
    '/assets/../login.eta',
    '/assets/..\\login.eta',
    '/assets/daemun.css%00.svg',
    '/assets//daemun.css',
    '/assets/constructor',
    '/assets/__proto__',
    '/assets/daemun.css/x',
    '/assets/DAEMUN.css',
  ])('S-171 %s is not there', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  test('an SVG opened as a page has no rights', async () => {
    expect((await get('/assets/logo.svg')).headers.get('Content-Security-Policy')).toMatch(
      /default-src 'none'.*sandbox/,
    );
  });

  test('browsers find an icon where they look for one', async () => {
    const answer = await get('/favicon.ico');
    expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, 'image/x-icon']);
  });

  test('only what is asked for by GET or HEAD', async () => {
    const head = await createBrowser(service.issuer).send('/assets/daemun.css', { method: 'HEAD' });
    expect([head.status, head.html]).toEqual([200, '']);
    expect((await createBrowser(service.issuer).post('/assets/daemun.css', {})).status).toBe(405);
  });
});

describe('the logo of an application', () => {
  const path = `/interaction/${UID}/logo`;
  const withLogo = (logoUri: string) =>
    pendingLogin({ client: { id: 'maru', name: 'Maru', isFirstParty: false, logoUri } });

  test('S-023 comes through us, and is fetched once for many', async () => {
    service.world.pending = withLogo('https://maru.example/one.svg');
    service.world.fetchPicture.mockResolvedValue({ type: 'image/svg+xml', body: Buffer.from('<svg/>') });
    const answers = await Promise.all([get(path), get(path), get(path)]);
    for (const answer of answers) {
      expect([answer.status, answer.html, answer.headers.get('Content-Type')]).toEqual([
        200,
        '<svg/>',
        'image/svg+xml',
      ]);
      expect(answer.headers.get('Content-Security-Policy')).toContain('sandbox');
    }
    expect(service.world.fetchPicture.mock.calls).toEqual([['https://maru.example/one.svg']]);
  });

  test('that cannot be had is a 404, asked for once', async () => {
    service.world.pending = withLogo('https://maru.example/broken.png');
    service.world.fetchPicture.mockRejectedValue(new Error('unreachable'));
    expect([(await get(path)).status, (await get(path)).status]).toEqual([404, 404]);
    expect(service.world.fetchPicture).toHaveBeenCalledTimes(1);
  });

  test('is not there when there is none', async () => {
    expect((await get(path)).status).toBe(404);
    expect(service.world.fetchPicture).not.toHaveBeenCalled();
  });

  test('S-154 belongs to this browser’s interaction only', async () => {
    expect((await get(`/interaction/${'x'.repeat(43)}/logo`)).status).toBe(400);
  });
});

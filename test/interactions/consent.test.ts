import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createBrowser, csrfIn, pendingConsent, pendingLogin, type Service, startService, UID } from './service.ts';

let service: Service;
const page = `/interaction/${UID}`;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service.close());

beforeEach(() => {
  service.world.pending = pendingConsent();
  service.world.results.length = 0;
});

async function open() {
  const browser = createBrowser(service.issuer);
  const opened = await browser.get(page);
  const shown = /name="shown" value="([^"]+)"/.exec(opened.html)![1]!;
  return { browser, opened, fields: { csrf: csrfIn(opened), shown } };
}

describe('S-166 the page', () => {
  test('says who asks, who is asked, for what, for how long and where it goes', async () => {
    service.world.pending = pendingConsent({
      missing: {
        scopes: ['offline_access', 'email', 'openid', 'x-internal'],
        claims: ['picture', 'favourite_tree'],
        resources: [
          {
            identifier: 'https://api.example',
            name: 'Hanok API',
            scopes: [
              { name: 'bookings:read', description: 'See your bookings' },
              { name: 'reports', description: '' },
            ],
          },
        ],
      },
      accessTokenLifetime: 600,
      offlineAccess: true,
    });
    const { html } = (await open()).opened;
    for (const words of [
      'Allow Maru Notes access?',
      'Kim Jiwoo',
      'jiwoo@maru.example',
      'Know who you are',
      'See your email address',
      'Stay connected',
      'Use “x-internal”',
      'picture and favourite_tree',
      'In Hanok API',
      'See your bookings',
      'reports',
      'until you take it back',
      'for 10 minutes at a time',
      '<strong>app.maru.example</strong>',
    ]) {
      expect(html).toContain(words);
    }
    const order = ['Know who you are', 'See your email address', 'Stay connected', 'x-internal'];
    const places = order.map((words) => html.indexOf(words));
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  test('without offline_access it says that the access ends with the session', async () => {
    expect((await open()).opened.html).toContain('while you stay signed in');
  });

  test('a scope called like something every object has is only a name', async () => {
    service.world.pending = pendingConsent({
      missing: { scopes: ['constructor', '__proto__'], claims: ['toString'], resources: [] },
    });
    const { html, status } = (await open()).opened;
    expect(status).toBe(200);
    for (const words of ['Use “constructor”', 'Use “__proto__”', 'toString']) expect(html).toContain(words);
  });

  test('nobody signed in means the page has expired', async () => {
    service.world.pending = pendingConsent({ accountId: undefined });
    const { status, html } = await createBrowser(service.issuer).get(page);
    expect([status, html.includes('This sign-in has expired')]).toEqual([400, true]);
  });
});

test('allowing grants exactly this request', async () => {
  const { browser, fields } = await open();
  const answer = await browser.post(`${page}/consent`, { ...fields, decision: 'allow' });
  expect(answer.status).toBe(303);
  expect(service.world.results).toEqual([{ consent: 'granted' }]);
});

test('refusing is access_denied', async () => {
  const { browser, fields } = await open();
  const answer = await browser.post(`${page}/consent`, { ...fields, decision: 'deny' });
  expect(answer.status).toBe(303);
  expect(service.world.results).toMatchObject([{ error: 'access_denied' }]);
});

const changes: [string, Parameters<typeof pendingConsent>[0]][] = [
  ['another scope', { missing: { scopes: ['openid', 'email', 'profile'], claims: [], resources: [] } }],
  ['another claim', { missing: { scopes: ['openid', 'email'], claims: ['picture'], resources: [] } }],
  [
    'a resource',
    {
      missing: {
        scopes: ['openid', 'email'],
        claims: [],
        resources: [{ identifier: 'https://api.example', name: 'API', scopes: [{ name: 'a', description: 'b' }] }],
      },
    },
  ],
  [
    'another name of the application',
    { client: { id: 'maru', name: 'Bank', isFirstParty: false, redirectHost: 'app.maru.example' } },
  ],
  [
    'another application of the same name',
    { client: { id: 'other', name: 'Maru Notes', isFirstParty: false, redirectHost: 'app.maru.example' } },
  ],
  ['another host', { client: { id: 'maru', name: 'Maru Notes', isFirstParty: false, redirectHost: 'evil.example' } }],
  ['a longer lifetime', { accessTokenLifetime: 3600 }],
  ['access for longer', { offlineAccess: true }],
];

test.each(changes)('S-166 %s that came after the page is not agreed to: the page is shown again', async (_, change) => {
  const { browser, fields } = await open();
  service.world.pending = pendingConsent(change);
  const answer = await browser.post(`${page}/consent`, { ...fields, decision: 'allow' });
  expect(answer.status).toBe(409);
  expect(answer.html).toContain('The request has changed');
  expect(service.world.results).toEqual([]);
});

test.each([[{ decision: '' }], [{ decision: 'yes' }], [{}], [{ decision: 'allow', shown: '' }]])(
  'S-143 %j decides nothing',
  async (fields: Record<string, string>) => {
    const { browser, fields: shown } = await open();
    const answer = await browser.post(`${page}/consent`, { ...shown, ...fields });
    expect([409, 422]).toContain(answer.status);
    expect(service.world.results).toEqual([]);
  },
);

test('S-143 consent before the sign-in leads to the sign-in', async () => {
  const { browser, fields } = await open();
  service.world.pending = pendingLogin();
  const answer = await browser.post(`${page}/consent`, { ...fields, decision: 'allow' });
  expect([answer.status, answer.headers.get('Location')]).toEqual([303, page]);
  expect(service.world.results).toEqual([]);
});

test('S-155 consent from another site is refused', async () => {
  const { browser, fields } = await open();
  const forged = { ...fields, decision: 'allow' };
  const foreign: Record<string, string>[] = [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }];
  for (const headers of foreign) {
    expect((await browser.post(`${page}/consent`, forged, headers)).status).toBe(403);
  }
  expect((await browser.post(`${page}/consent`, { ...forged, csrf: 'AAAA' })).status).toBe(403);
  expect(service.world.results).toEqual([]);
});

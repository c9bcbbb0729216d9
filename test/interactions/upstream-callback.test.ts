import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createBrowser, GOOGLE, pendingLogin, type Service, startService, UID } from './service.ts';

let service: Service;
const CODE = '4/secret-code';
const STATE = 'secret-state';
const OTHER_UID = 'x'.repeat(43);

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service.close());

beforeEach(() => {
  const { world } = service;
  world.pending = pendingLogin();
  world.results.length = 0;
  for (const each of [world.finishUpstream, world.federate]) each.mockClear();
  world.interactionOf.mockReset().mockResolvedValue(UID);
});

/** Follows a callback to the page that it ends on. */
async function comeBack(query: string, { path = '/callback/google', browser = createBrowser(service.issuer) } = {}) {
  const trail = [`${path}?${query}`];
  for (;;) {
    const answer = await browser.get(trail.at(-1)!);
    const location = answer.headers.get('Location');
    if (answer.status !== 303 || location === '/authorize/resumed') return { trail, answer, location };
    expect(location).toMatch(/^\//);
    trail.push(location!);
  }
}

test('S-095 a callback goes to the interaction of its state, with the same query, and uses nothing up', async () => {
  const query = new URLSearchParams({
    state: STATE,
    code: CODE,
    scope: 'email openid',
    authuser: '0',
    iss: 'https://a.b',
  });
  const answer = await createBrowser(service.issuer).get(`/callback/google?${query}`);
  expect([answer.status, answer.headers.get('Location')]).toEqual([
    303,
    `/interaction/${UID}/upstream/google?${query}`,
  ]);
  expect([answer.html, answer.cookies]).toEqual(['', []]);
  expect(answer.headers.get('Cache-Control')).toBe('no-store');
  expect(answer.headers.get('Referrer-Policy')).toBe('no-referrer');
  expect(service.world.interactionOf.mock.calls).toEqual([['google', STATE]]);
  expect(service.world.finishUpstream).not.toHaveBeenCalled();
});

test('an error with a state goes the same way: what it means is for the sign-in that it belongs to', async () => {
  const query = `error=access_denied&state=${STATE}`;
  const answer = await createBrowser(service.issuer).get(`/callback/google?${query}`);
  expect(answer.headers.get('Location')).toBe(`/interaction/${UID}/upstream/google?${query}`);
});

const long = 'x'.repeat(5000);
const wrong: [string, string, string, string][] = [
  ['without anything', '', '/callback/google/unknown', 'We don’t know this sign-in'],
  ['without a state', `code=${CODE}`, '/callback/google/unknown', 'We don’t know this sign-in'],
  ['with an empty state', `code=${CODE}&state=`, '/callback/google/unknown', 'We don’t know this sign-in'],
  ['with an error and no state', 'error=access_denied', '/callback/google/unfinished', 'Google reported a problem'],
  [
    'with two states',
    `state=${STATE}&state=b&code=${CODE}`,
    '/callback/google/invalid',
    'We couldn’t trust that answer',
  ],
  ['with two codes', `state=${STATE}&code=${CODE}&code=b`, '/callback/google/invalid', 'We couldn’t trust that answer'],
  ['oversized', `state=${STATE}&code=${CODE}${long}`, '/callback/google/invalid', 'We couldn’t trust that answer'],
  ['with an oversized error', `error=${long}`, '/callback/google/invalid', 'We couldn’t trust that answer'],
];

describe('S-095 a callback', () => {
  test.each(wrong)('%s ends on a page of its own, with nothing to go back to', async (_, query, end, title) => {
    const { trail, answer } = await comeBack(query);
    expect([trail.at(-1), trail.length, answer.status]).toEqual([end, 2, 400]);
    expect(answer.html).toContain(`<h1>${title}</h1>`);
    expect(answer.html).not.toContain('<form');
    expect(answer.html).not.toMatch(/secret|access_denied|xxxxx/);
    expect(service.world.finishUpstream).not.toHaveBeenCalled();
  });

  test.each(['forged', "' OR 1=1", '<script>alert(1)</script>', 'a'.repeat(3000), '\u{1f511}'])(
    'with the state %j, which nobody was given, changes nothing',
    async (state) => {
      service.world.interactionOf.mockResolvedValue(undefined);
      const { trail, answer } = await comeBack(String(new URLSearchParams({ code: CODE, state })));
      expect([trail.at(-1), answer.status]).toEqual(['/callback/google/unknown', 400]);
      expect(answer.html).not.toContain('alert(1)');
      expect(service.world.finishUpstream).not.toHaveBeenCalled();
    },
  );

  test('S-154 with the state of another browser ends on a page that says so, at an address without the code', async () => {
    service.world.interactionOf.mockResolvedValue(OTHER_UID);
    const { trail, answer } = await comeBack(`state=${STATE}&code=${CODE}`);
    expect(trail.at(-1)).toBe('/callback/google/other-browser');
    expect(answer.html).toContain('<h1>This sign-in isn’t from this browser</h1>');
    expect([service.world.finishUpstream.mock.calls, service.world.results]).toEqual([[], []]);
  });

  test.each([
    ['spent', 'That answer was used already'],
    ['expired', 'That took too long'],
  ] as const)('of a sign-in that is gone, and %s, says so, without a way back', async (fate, title) => {
    service.world.interactionOf.mockResolvedValue(OTHER_UID);
    service.world.fateOf.mockClear().mockResolvedValueOnce(fate);
    const { trail, answer } = await comeBack(`state=${STATE}&code=${CODE}`);
    expect([trail.at(-1), answer.status]).toEqual([`/callback/google/${fate}`, 400]);
    expect(answer.html).toContain(`<h1>${title}</h1>`);
    expect(answer.html).not.toContain('/interaction/');
    expect(service.world.fateOf.mock.calls).toMatchObject([
      [{ provider: 'google', interaction: OTHER_UID, state: STATE }],
    ]);
    expect(service.world.finishUpstream).not.toHaveBeenCalled();
  });

  test('whose query is badly encoded is refused as every other', async () => {
    const answer = await createBrowser(service.issuer).get('/callback/google?state=%00');
    expect([answer.status, answer.html.includes('%00')]).toEqual([400, false]);
  });

  test.each(['/callback/nobody', '/callback/constructor', '/callback/nobody/unknown', '/callback/google/constructor'])(
    '%s is not there',
    async (path) => {
      expect((await createBrowser(service.issuer).get(`${path}?state=${STATE}`)).status).toBe(404);
      expect(service.world.interactionOf).not.toHaveBeenCalled();
    },
  );

  test('S-100 of a provider that was turned off is still taken to its sign-in, which says so', async () => {
    service.world.disabled = [GOOGLE.provider];
    service.world.finishUpstream.mockResolvedValueOnce({ kind: 'disabled' });
    const { answer } = await comeBack(`state=${STATE}&code=${CODE}`);
    service.world.disabled = [];
    expect([answer.status, answer.html.includes('Google is turned off here')]).toEqual([403, true]);
  });

  test('that fails here shows neither code nor state, also not in the links of the page', async () => {
    service.world.interactionOf.mockRejectedValue(new Error('broken'));
    const answer = await createBrowser(service.issuer).get(`/callback/google?state=${STATE}&code=${CODE}`);
    expect(answer.status).toBe(500);
    expect(answer.html).toContain('/language/ko?to=%2Fcallback%2Fgoogle"');
    expect(answer.html).not.toContain('secret');
  });
});

test('the pages of lost sign-ins are in the reader’s language, and the switch stays on them', async () => {
  const answer = await createBrowser(service.issuer, { 'Accept-Language': 'ko' }).get('/callback/google/other-browser');
  expect(answer.html).toContain('<h1>이 브라우저에서 시작한 로그인이 아니에요</h1>');
  expect(answer.html).toContain(`/language/en?to=${encodeURIComponent('/callback/google/other-browser')}`);
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { tooManyRequests } from '../../src/platform/errors.ts';
import {
  createBrowser,
  csrfIn,
  LINK,
  linkWithoutPassword,
  pendingLogin,
  type Service,
  startService,
  UID,
} from './service.ts';

const page = `/interaction/${UID}`;
const google = `${page}/upstream/google`;

let service: Service;
beforeAll(async () => {
  service = await startService({
    limitDepartures: async () => {
      throw tooManyRequests(40);
    },
  });
});
afterAll(() => service.close());
beforeEach(() => {
  service.world.pending = pendingLogin({ params: { idpHint: 'google', loginHint: 'jiwoo@maru.example' } });
  service.world.findPendingLink.mockResolvedValue(linkWithoutPassword('google'));
});

/** The page of a person who cannot leave just now: with all that they can do instead. */
function expectSignInPage({ html }: { html: string }) {
  expect(html).toContain('Signing in with Google isn’t possible just now');
  expect(html).toContain('Try again in 40 seconds');
  expect(html).toMatch(/name="email"[^>]+value="jiwoo@maru.example"/);
  expect(html).toContain(`action="${page}/upstream/discord"`);
  expect(service.world.begin).not.toHaveBeenCalled();
}

describe('S-132 too many departures of one address', () => {
  test('show the sign-in page to whom the application sends to a provider', async () => {
    const answer = await createBrowser(service.issuer).get(page);
    expect(answer.status).toBe(200);
    expectSignInPage(answer);
  });

  test('send the next one who asks, once it is possible again', async () => {
    const browser = createBrowser(service.issuer);
    await browser.get(page);
    expect([...browser.jar.keys()]).not.toContain('daemun_upstream');
  });

  test.each([
    ['a button', google],
    ['the proof of a link', `${page}/link/${LINK}/google`],
  ])('show it to who presses %s, and say when', async (_, action) => {
    const browser = createBrowser(service.issuer);
    const answer = await browser.post(action, { csrf: csrfIn(await browser.get(page)) });
    expect([answer.status, answer.headers.get('Retry-After')]).toEqual([429, '40']);
    expectSignInPage(answer);
  });

  test('are told in the language of the person', async () => {
    const { html } = await createBrowser(service.issuer, { 'Accept-Language': 'ko' }).get(page);
    expect(html).toContain('40초 뒤에 다시 시도하거나 비밀번호로 로그인해 주세요.');
  });
});

test('a limit that fails is an error, not a page that says to wait', async () => {
  const failing = await startService({
    limitDepartures: async () => {
      throw new Error('broken');
    },
  });
  try {
    failing.world.pending = pendingLogin({ params: { idpHint: 'google' } });
    expect((await createBrowser(failing.issuer).get(page)).status).toBe(500);
  } finally {
    await failing.close();
  }
});

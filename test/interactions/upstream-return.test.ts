import { beforeEach, describe, expect, test } from '@jest/globals';
import type { FederatedOutcome } from '../../src/accounts/federation.ts';
import type { SignInOutcome } from '../../src/upstreams/sign-ins.ts';
import {
  account,
  createBrowser,
  csrfIn,
  identity,
  LINK,
  pendingConsent,
  pendingLogin,
  startService,
  storedAccount,
  UID,
  useService,
} from './service.ts';

const service = useService();
const page = `/interaction/${UID}`;
const back = `${page}/upstream/google`;
const QUERY = 'state=secret-state&code=secret-code';

async function comeBack(query = QUERY, browser = createBrowser(service.issuer)) {
  const answer = await browser.get(`${back}?${query}`);
  const location = answer.headers.get('Location') ?? '';
  expect([answer.status, answer.headers.get('Cache-Control')]).toEqual([303, 'no-store']);
  expect(answer.html + location).not.toContain('secret-');
  const shown = location.startsWith(page) ? await browser.get(location) : undefined;
  return { answer, location, shown, browser };
}

describe('who comes back from there', () => {
  test.each(['known', 'created'] as const)('and is %s here is signed in, with what was done', async (kind) => {
    service.world.federate.mockResolvedValue({ kind, account: storedAccount });
    const { location } = await comeBack();
    expect(location).toBe('/authorize/resumed');
    const login = { accountId: account.id, accessGeneration: 7, amr: ['fed'], provider: 'google' };
    expect(service.world.results).toEqual([{ login }]);
    const [{ browser: _, ...input }, by] = service.world.finishUpstream.mock.calls[0]!;
    expect({ ...input, response: String(input.response) }).toEqual({
      provider: 'google',
      interaction: UID,
      response: QUERY,
    });
    expect(by).toMatchObject({ address: '127.0.0.1' });
    expect(service.world.federate.mock.calls[0]).toMatchObject([identity, { address: '127.0.0.1' }, {}]);
    expect(service.world.keepTokens).not.toHaveBeenCalled();
  });

  test('S-099 leaves the provider’s tokens where the operator wants them kept', async () => {
    const tokens = { accessToken: 'upstream-token' };
    service.world.finishUpstream.mockResolvedValue({ kind: 'identified', identity, tokens });
    await comeBack();
    expect(service.world.keepTokens.mock.calls).toEqual([[identity, tokens]]);
  });

  test('S-094 with the address of an account here has to prove that one first', async () => {
    service.world.federate.mockResolvedValue({ kind: 'link_required', accountId: account.id });
    const { location, shown } = await comeBack();
    expect(location).toBe(`${page}/link/${LINK}`);
    expect(shown!.html).toContain('Link Google to your account');
    expect(service.world.askForProof.mock.calls).toEqual([
      [{ identity, accountId: account.id, interaction: UID, browser: expect.stringMatching(/^[\w-]{43}$/) }],
    ]);
    expect([service.world.results, service.world.keepTokens.mock.calls]).toEqual([[], []]);
  });

  test('S-099 leaves the provider’s tokens sealed with the link, until that one is proven', async () => {
    const tokens = { accessToken: 'upstream-token' };
    service.world.finishUpstream.mockResolvedValue({ kind: 'identified', identity, tokens });
    service.world.federate.mockResolvedValue({ kind: 'link_required', accountId: account.id });
    await comeBack();
    const sealedTokens = `sealed ${identity.provider} ${identity.subject} ${tokens.accessToken.length}`;
    expect(service.world.askForProof.mock.calls).toMatchObject([[{ sealedTokens }]]);
    expect(service.world.keepTokens).not.toHaveBeenCalled();
  });
});

const answers: [SignInOutcome, string, number, string][] = [
  [{ kind: 'denied' }, 'cancelled', 200, 'You cancelled at Google'],
  [{ kind: 'failed', reason: 'unavailable' }, 'unavailable', 503, 'Google can’t be reached'],
  [{ kind: 'failed', reason: 'timeout' }, 'timeout', 503, 'Google took too long'],
  [{ kind: 'failed', reason: 'refused' }, 'refused', 503, 'Google turned us away'],
  [{ kind: 'failed', reason: 'invalid_response' }, 'invalid', 400, 'We couldn’t trust that answer'],
  [{ kind: 'failed', reason: 'wrong_issuer' }, 'wrong-issuer', 400, 'That answer came from somewhere else'],
  [{ kind: 'failed', reason: 'stale_sign_in' }, 'stale', 403, 'Google didn’t ask you again'],
  [{ kind: 'failed', reason: 'domain_not_allowed' }, 'domain-not-allowed', 403, 'This organization has no access'],
  [{ kind: 'spent' }, 'spent', 400, 'That answer was used already'],
  [{ kind: 'expired' }, 'expired', 400, 'That took too long'],
  [{ kind: 'foreign' }, 'foreign', 400, 'That answer belongs elsewhere'],
  [{ kind: 'disabled' }, 'disabled', 403, 'Google is turned off here'],
];

describe('S-095 S-096 S-106 an answer', () => {
  test.each(answers)(
    '%j signs nobody in and ends on a page with the way back',
    async (outcome, problem, status, title) => {
      service.world.finishUpstream.mockResolvedValue(
        outcome.kind === 'failed' ? { ...outcome, problem: 'error_description of the provider' } : outcome,
      );
      const { location, shown } = await comeBack();
      expect([location, shown!.status]).toEqual([`${back}/${problem}`, status]);
      expect(shown!.html).toContain(`<h1>${title}</h1>`);
      expect(shown!.html).toContain(`<a class="button" href="${page}">Back to sign-in</a>`);
      expect(shown!.html).not.toMatch(/secret-|error_description/);
      expect(shown!.html).toContain(`/language/ko?to=${encodeURIComponent(location)}`);
      expect([service.world.federate.mock.calls, service.world.results]).toEqual([[], []]);
    },
  );

  test.each([
    ['with a parameter twice', `${QUERY}&code=b`],
    ['oversized', `${QUERY}&more=${'x'.repeat(5000)}`],
  ])('%s is not even asked about', async (_, query) => {
    const { location, shown } = await comeBack(query);
    expect([location, shown!.status]).toEqual([`${back}/invalid`, 400]);
    expect(service.world.finishUpstream).not.toHaveBeenCalled();
  });

  test('S-154 in a browser that did not leave changes nothing', async () => {
    const path = `/interaction/${'x'.repeat(43)}/upstream/google`;
    const answer = await createBrowser(service.issuer).get(`${path}?${QUERY}`);
    expect(answer.headers.get('Location')).toBe('/callback/google/other-browser');
    expect(service.world.finishUpstream).not.toHaveBeenCalled();
  });

  test('S-143 to another question than the open one leads to the open one', async () => {
    service.world.pending = pendingConsent();
    const answer = await createBrowser(service.issuer).get(`${back}?${QUERY}`);
    expect(answer.headers.get('Location')).toBe(page);
    expect(service.world.finishUpstream).not.toHaveBeenCalled();
  });

  test('that is only looked at is not used up', async () => {
    await createBrowser(service.issuer).send(`${back}?${QUERY}`, { method: 'HEAD' });
    expect(service.world.finishUpstream).not.toHaveBeenCalled();
  });

  test('of a provider that is not there is a 404', async () => {
    expect((await createBrowser(service.issuer).get(`${page}/upstream/nobody?${QUERY}`)).status).toBe(404);
    expect(service.world.finishUpstream).not.toHaveBeenCalled();
  });

  test('that cannot be looked into shows neither code nor state, and the way back', async () => {
    service.world.finishUpstream.mockRejectedValue(Object.assign(new Error('no connection'), { code: 'ECONNREFUSED' }));
    const answer = await createBrowser(service.issuer).get(`${back}?${QUERY}`);
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(answer.html).not.toContain('secret-');
  });
});

type Refused = Exclude<Extract<FederatedOutcome, { kind: 'refused' }>['reason'], 'password_needed'>;

const refusals: [Refused, string, number, string][] = [
  ['account_disabled', 'account-disabled', 403, 'This account has been disabled'],
  ['sign_up_closed', 'sign-up-closed', 403, 'New accounts are by invitation'],
  ['domain_not_allowed', 'domain-not-allowed', 403, 'This organization has no access'],
  ['email_missing', 'email-missing', 403, 'Google sent no email address'],
  ['email_not_verified', 'email-not-verified', 403, 'Verify your email at Google'],
  ['other_account', 'other-account', 403, 'That’s another account'],
];

test.each(refusals)('S-101 S-102 S-111 %s is told why, and is not in', async (reason, problem, status, title) => {
  service.world.federate.mockResolvedValue({ kind: 'refused', reason });
  const { location, shown } = await comeBack();
  expect([location, shown!.status]).toEqual([`${back}/${problem}`, status]);
  expect(shown!.html).toContain(`<h1>${title}</h1>`);
  expect(shown!.html).toContain(`href="${page}"`);
  expect([service.world.results, service.world.keepTokens.mock.calls]).toEqual([[], []]);
});

describe('S-016 a page for one person', () => {
  beforeEach(() => {
    service.world.pending = pendingLogin({ reasons: ['login_prompt'], accountId: account.id });
  });

  test('asks for that one, and takes nobody else', async () => {
    await comeBack();
    expect(service.world.federate.mock.calls[0]![2]).toEqual({ only: account.id });
    expect(service.world.results).toHaveLength(1);
  });

  test.each<FederatedOutcome>([
    { kind: 'known', account: { ...storedAccount, id: 'another' } },
    { kind: 'created', account: { ...storedAccount, id: 'another' } },
    { kind: 'link_required', accountId: 'another' },
  ])('is not answered by another: %j', async (outcome) => {
    service.world.federate.mockResolvedValue(outcome);
    const { location } = await comeBack();
    expect(location).toBe(`${back}/other-account`);
    expect([service.world.results, service.world.askForProof.mock.calls]).toEqual([[], []]);
  });

  test.each([
    ['the person asked for that', {}, '?account=other'],
    ['the application wants somebody else', { reasons: ['id_token_hint'] }, ''],
    ['the account is gone', { accountId: 'gone' }, ''],
  ])('lets anybody in when %s', async (_, changes, query) => {
    service.world.pending = pendingLogin({ accountId: account.id, reasons: ['login_prompt'], ...changes });
    service.world.federate.mockResolvedValue({ kind: 'known', account: { ...storedAccount, id: 'another' } });
    const browser = createBrowser(service.issuer);
    const opened = await browser.get(page + query);
    await browser.post(`${back}${query}`, { csrf: csrfIn(opened) });
    await comeBack(QUERY, browser);
    expect(service.world.federate.mock.calls[0]![2]).toEqual({});
    expect(service.world.results).toMatchObject([{ login: { accountId: 'another' } }]);
  });

  test.each(['somebody', '', 'anybody.', 'ANYBODY'])('is not opened to others by a cookie %j', async (value) => {
    const browser = createBrowser(service.issuer);
    browser.jar.set('daemun_upstream', value);
    await comeBack(QUERY, browser);
    expect(service.world.federate.mock.calls[0]![2]).toEqual({ only: account.id });
  });
});

describe('the page of a problem', () => {
  test('is in the language of the request', async () => {
    service.world.pending = pendingLogin({ params: { uiLocales: ['ko'] } });
    const { html } = await createBrowser(service.issuer).get(`${back}/cancelled`);
    expect(html).toContain('<h1>Google 로그인을 취소했어요</h1>');
    expect(html).toContain('로그인 화면으로 돌아가기');
  });

  test.each([`${back}/nothing`, `${back}/constructor`, `${back}/other-browser`, `${page}/upstream/nobody/spent`])(
    '%s is not there',
    async (path) => {
      expect((await createBrowser(service.issuer).get(path)).status).toBe(404);
    },
  );

  test('S-154 belongs to this browser’s interaction', async () => {
    const path = `/interaction/${'x'.repeat(43)}/upstream/google/account-disabled`;
    const { status, html } = await createBrowser(service.issuer).get(path);
    expect([status, html.includes('has been disabled')]).toEqual([400, false]);
  });
});

test('S-095 coming back is counted against the address, at both addresses, before anything is looked up or recorded', async () => {
  const limited = await startService({
    limitReturns: async () => {
      throw Object.assign(new Error('limited'), { name: 'AppError', code: 'too_many_requests', status: 429 });
    },
  });
  try {
    limited.world.pending = pendingLogin();
    const browser = createBrowser(limited.issuer);
    for (const path of ['/callback/google', `/interaction/${limited.world.pending.uid}/upstream/google`]) {
      expect((await browser.get(`${path}?state=made-up&code=x`)).status).toBe(429);
    }
    expect(limited.world.finishUpstream).not.toHaveBeenCalled();
  } finally {
    await limited.close();
  }
});

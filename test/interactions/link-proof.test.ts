import { beforeEach, describe, expect, test } from '@jest/globals';
import type { FederatedOutcome, LinkOutcome } from '../../src/accounts/federation.ts';
import type { SignInOutcome } from '../../src/upstreams/sign-ins.ts';
import type { UpstreamIdentity } from '../../src/upstreams/upstream.ts';
import {
  account,
  createBrowser,
  csrfIn,
  identity,
  LINK,
  linkWithoutPassword,
  pendingLink,
  storedAccount,
  submit,
  UID,
  useService,
} from './service.ts';

const interaction = `/interaction/${UID}`;
const page = `${interaction}/link/${LINK}`;
const back = `${interaction}/upstream/discord`;
const discord = { ...identity, provider: 'discord', subject: '77' };
const proof = { link: LINK, connectionVersion: 4 };
const BROWSER = expect.stringMatching(/^[\w-]{43}$/);
/** Where people come back to after a proof that was none. */
const tried = (problem: string) => `${page}?tried=discord&problem=${problem}`;

const service = useService((world) => {
  world.findPendingLink.mockResolvedValue(linkWithoutPassword('discord'));
  world.finishUpstream.mockResolvedValue({ kind: 'identified', identity: discord, ...proof });
});

describe('the page of an account without a password', () => {
  test('offers what the account is connected to', async () => {
    const { html } = await createBrowser(service.issuer).get(page);
    expect(html).toContain(`action="${page}/discord"`);
    expect(html).toContain('<span>Continue with Discord</span>');
    expect(html).toContain('to show that it’s yours');
    expect(html).not.toMatch(/name="password"|invitation link|Kim Jiwoo/);
  });

  test('is in both languages', async () => {
    const { html } = await createBrowser(service.issuer, { 'Accept-Language': 'ko' }).get(page);
    expect(html).toContain('<span>Discord 계정으로 계속하기</span>');
  });

  test('says whom to ask when none of it is enabled', async () => {
    service.world.disabled = ['discord'];
    const { html } = await createBrowser(service.issuer).get(page);
    expect([html.includes('<form'), html.includes('invitation link')]).toEqual([false, true]);
  });
});

describe('S-103 S-104 the button', () => {
  const press = async (provider: string) =>
    (await submit(createBrowser(service.issuer), interaction, { action: `${page}/${provider}` })).answer;

  test('leads to the provider, which is told whom it is about and asked for a fresh sign-in', async () => {
    const answer = await press('discord');
    expect(answer.headers.get('Location')).toBe('https://discord.example/authorize?state=state-of-discord');
    expect(service.world.begin.mock.calls).toEqual([
      [
        {
          provider: 'discord',
          interaction: UID,
          browser: expect.stringMatching(/^[\w-]{43}$/),
          link: LINK,
          request: { loginHint: 'jiwoo@maru.example', freshSignIn: true },
        },
      ],
    ]);
  });

  test.each([
    ['of a provider that the account is not connected to', 'google', () => {}],
    ['of one that is not there', 'nobody', () => {}],
    ['of one that is disabled', 'discord', () => service.world.disabled.push('discord')],
    ['when there is a password', 'discord', () => service.world.findPendingLink.mockResolvedValue(pendingLink)],
  ])('%s is not there', async (_, provider, arrange) => {
    arrange();
    expect((await press(provider)).status).toBe(404);
    expect(service.world.begin).not.toHaveBeenCalled();
  });

  test('of a link that is over leads back to the sign-in', async () => {
    service.world.findPendingLink.mockResolvedValue(undefined);
    const answer = await press('discord');
    expect([answer.status, answer.html.includes('This step has expired')]).toEqual([410, true]);
  });

  test('is a form of ours', async () => {
    expect((await createBrowser(service.issuer).post(`${page}/discord`, {})).status).toBe(403);
    expect(service.world.begin).not.toHaveBeenCalled();
  });
});

describe('S-164 an account that is connected to a provider that says when somebody signed in', () => {
  beforeEach(() => {
    service.world.findPendingLink.mockResolvedValue({
      ...linkWithoutPassword('discord', 'google'),
      provider: 'discord',
    });
  });

  async function comeBackAs(proven: UpstreamIdentity) {
    service.world.finishUpstream.mockResolvedValue({ kind: 'identified', identity: proven, ...proof });
    const answer = await createBrowser(service.issuer).get(`${interaction}/upstream/${proven.provider}?state=s&code=c`);
    return answer.headers.get('Location');
  }

  test('is proven there only', async () => {
    const browser = createBrowser(service.issuer);
    const opened = await browser.get(page);
    expect(opened.html).toContain(`action="${page}/google"`);
    expect(opened.html).not.toContain(`action="${page}/discord"`);
    expect((await browser.post(`${page}/discord`, { csrf: csrfIn(opened) })).status).toBe(404);
  });

  test('is not proven by a sign-in that nobody says the time of', async () => {
    const location = (provider: string) => `${page}?tried=${provider}&problem=stale`;
    expect(await comeBackAs(discord)).toBe(location('discord'));
    expect(await comeBackAs(identity)).toBe(location('google'));
    expect([service.world.federate.mock.calls, service.world.completeLink.mock.calls]).toEqual([[], []]);
  });

  test('is proven by one of now', async () => {
    expect(await comeBackAs({ ...identity, authTime: Math.floor(Date.now() / 1000) })).toBe('/authorize/resumed');
  });

  test('is proven by the other one while that provider is turned off: there is nothing better', async () => {
    service.world.disabled = ['google'];
    expect(await comeBackAs(discord)).toBe('/authorize/resumed');
  });
});

describe('S-103 who comes back to a link', () => {
  async function comeBack() {
    const browser = createBrowser(service.issuer);
    const answer = await browser.get(`${back}?state=s&code=c`);
    const location = answer.headers.get('Location')!;
    return { location, shown: location.startsWith(interaction) ? await browser.get(location) : undefined };
  }

  test('as that account completes it, and is signed in with what was done', async () => {
    expect((await comeBack()).location).toBe('/authorize/resumed');
    expect(service.world.findPendingLink.mock.calls).toEqual([[{ link: LINK, interaction: UID, browser: BROWSER }]]);
    expect(service.world.federate.mock.calls[0]).toMatchObject([discord, {}, { only: account.id }]);
    expect(service.world.completeLink.mock.calls[0]![0]).toEqual({
      link: LINK,
      interaction: UID,
      browser: BROWSER,
      accountId: account.id,
      proof: { provider: 'discord', subject: '77', connectionVersion: 4 },
    });
    const login = { accountId: account.id, accessGeneration: 7, amr: ['fed'], provider: 'google' };
    expect(service.world.results).toEqual([{ login }]);
  });

  const others: FederatedOutcome[] = [
    { kind: 'refused', reason: 'other_account' },
    { kind: 'refused', reason: 'email_not_verified' },
    { kind: 'link_required', accountId: account.id },
    { kind: 'known', account: { ...storedAccount, id: 'another' } },
  ];

  test.each(others)('as anybody else is led back to the page of the link, and changes nothing: %j', async (outcome) => {
    service.world.federate.mockResolvedValue(outcome);
    const { location, shown } = await comeBack();
    expect([location, shown!.status]).toEqual([tried('other'), 200]);
    expect(shown!.html).toContain('The Discord account you chose isn’t connected to this account.');
    expect(shown!.html).toContain(`action="${page}/discord"`);
    const { completeLink, askForProof, results } = service.world;
    expect([completeLink.mock.calls, askForProof.mock.calls, results]).toEqual([[], [], []]);
  });

  test('as the owner of an account that is disabled is told so', async () => {
    service.world.federate.mockResolvedValue({ kind: 'refused', reason: 'account_disabled' });
    const { location, shown } = await comeBack();
    expect([location, shown!.status]).toEqual([`${back}/account-disabled`, 403]);
    expect([service.world.completeLink.mock.calls, service.world.results]).toEqual([[], []]);
  });

  test.each<[Exclude<SignInOutcome, { kind: 'identified' }>, string, string]>([
    [{ kind: 'denied' }, 'cancelled', 'You cancelled at Discord.'],
    [{ kind: 'failed', reason: 'stale_sign_in' }, 'stale', 'To show that the account is yours, you have to sign in at'],
    [{ kind: 'failed', reason: 'unavailable' }, 'failed', 'That didn’t work with Discord just now.'],
    [{ kind: 'disabled' }, 'failed', 'That didn’t work with Discord just now.'],
  ])('without a proof is led back to it: %j', async (answer, problem, words) => {
    service.world.finishUpstream.mockResolvedValue({ ...answer, link: LINK });
    const { location, shown } = await comeBack();
    expect([location, shown!.status, shown!.html.includes(words)]).toEqual([tried(problem), 200, true]);
    expect(shown!.html).not.toContain('Maru Notes wants');
    expect([service.world.federate.mock.calls, service.world.results]).toEqual([[], []]);
  });

  test('S-100 by an identity that is gone by then is led back to it', async () => {
    service.world.completeLink.mockResolvedValue({ kind: 'unproven' });
    expect((await comeBack()).location).toBe(tried('other'));
    expect(service.world.results).toEqual([]);
  });

  test('that is over signs nobody in', async () => {
    service.world.findPendingLink.mockResolvedValue(undefined);
    const { location, shown } = await comeBack();
    expect([location, shown!.status]).toEqual([`${back}/link-spent`, 410]);
    expect([service.world.federate.mock.calls, service.world.results]).toEqual([[], []]);
  });

  test.each<[LinkOutcome, string]>([
    [{ kind: 'spent' }, `${back}/link-spent`],
    [{ kind: 'taken' }, `${interaction}/upstream/google/taken`],
    [{ kind: 'refused', reason: 'account_disabled' }, `${interaction}/upstream/google/account-disabled`],
  ])('that ends as %j signs nobody in', async (outcome, expected) => {
    service.world.completeLink.mockResolvedValue(outcome);
    expect((await comeBack()).location).toBe(expected);
    expect(service.world.results).toEqual([]);
  });
});

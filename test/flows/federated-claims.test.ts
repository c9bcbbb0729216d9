import { describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import type { Browser } from '../support/flow-browser.ts';
import { authorizationRequest, connect, pageOf, signIn } from '../support/flow-client.ts';
import { type Requests, useRequests } from '../support/flow-federated-requests.ts';
import { FEDERATED, ONE_FACTOR, WANTS_IDP, wantsAcr } from '../support/flow-federation-people.ts';
import type { Flow } from '../support/flow-server.ts';

const GOOGLE = { amr: 'fed', provider: 'google' };
let flow: Flow;
let config: oidc.Configuration;
let person: Account;
let browser: Browser;
let ask: Requests['open'];
useRequests((requests) => {
  ({ flow, config, person, browser, open: ask } = requests);
});

describe('S-163 the ID token says no more than was done', () => {
  test.each([
    ['a password', 'pwd', ONE_FACTOR],
    ["an upstream's word", 'fed', FEDERATED],
    ["an upstream's word and a password", 'fed pwd', ONE_FACTOR],
  ])('%s', async (_, amr, acr) => {
    const { tokens } = await signIn(flow, config, person.id, { means: { amr } });
    expect(tokens.claims()).toMatchObject({ acr, amr: amr.split(' ') });
  });

  test('auth_time is when the person came back to us, and stays that while the session does', async () => {
    const before = Math.floor(Date.now() / 1000);
    const first = await signIn(flow, config, person.id, { browser, means: GOOGLE });
    const { auth_time } = first.tokens.claims()!;
    expect(auth_time).toBeGreaterThanOrEqual(before);
    expect(auth_time).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
    const silent = await signIn(flow, config, person.id, { browser, parameters: { prompt: 'none' } });
    expect(silent.tokens.claims()).toMatchObject({ auth_time, acr: FEDERATED, amr: ['fed'] });
  });
});

describe('S-018 a class that is essential', () => {
  test('and more than the upstream proved asks whoever is signed in for a sign-in here', async () => {
    await signIn(flow, config, person.id, { browser, means: GOOGLE });
    const silent = await ask({ prompt: 'none', ...wantsAcr(ONE_FACTOR) });
    expect(silent.url.searchParams.get('error')).toBe('login_required');
    const page = pageOf(await ask(wantsAcr(ONE_FACTOR)));
    expect(page).toMatchObject({
      prompt: 'login',
      reasons: ['essential_acrs'],
      accountId: person.id,
      params: { essentialAcrs: [ONE_FACTOR] },
    });
    const { tokens } = await signIn(flow, config, person.id, { browser, parameters: wantsAcr(ONE_FACTOR) });
    expect(tokens.claims()).toMatchObject({ acr: ONE_FACTOR, amr: ['pwd'] });
  });

  test('fails when the sign-in that was asked for is not enough, and gives no code', async () => {
    const page = await ask(wantsAcr(ONE_FACTOR));
    const { url } = await browser.submit(`${page.url.pathname}/login`, { account: person.id, ...GOOGLE });
    expect(url.searchParams.get('error')).toBe('unmet_authentication_requirements');
    expect(url.searchParams.has('code')).toBe(false);
  });

  test.each([ONE_FACTOR, FEDERATED])('stays essential when acr_values wishes for %s beside it', async (acr_values) => {
    const page = await ask({ ...wantsAcr(ONE_FACTOR), acr_values });
    const { url } = await browser.submit(`${page.url.pathname}/login`, { account: person.id, ...GOOGLE });
    expect(url.searchParams.get('error')).toBe('unmet_authentication_requirements');
    expect(url.searchParams.has('code')).toBe(false);
  });

  test('and federated is met by an upstream, and by nothing that is no upstream', async () => {
    const { tokens } = await signIn(flow, config, person.id, { parameters: wantsAcr(FEDERATED), means: GOOGLE });
    expect(tokens.claims()!.acr).toBe(FEDERATED);
    const page = await ask(wantsAcr(FEDERATED));
    const { url } = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
    expect(url.searchParams.get('error')).toBe('unmet_authentication_requirements');
  });

  test('and either of both is met by what is there', async () => {
    await signIn(flow, config, person.id, { browser, means: GOOGLE });
    const either = { prompt: 'none', ...wantsAcr(ONE_FACTOR, FEDERATED) };
    const { tokens } = await signIn(flow, config, person.id, { browser, parameters: either });
    expect(tokens.claims()!.acr).toBe(FEDERATED);
  });
});

describe('the claim idp', () => {
  const userinfo = (tokens: { access_token: string }) => oidc.fetchUserInfo(config, tokens.access_token, person.id);

  test('names the upstream in the ID token and at the userinfo endpoint, where it was asked for', async () => {
    const { tokens } = await signIn(flow, config, person.id, { parameters: WANTS_IDP, means: GOOGLE });
    expect(tokens.claims()).toMatchObject({ idp: 'google' });
    expect(await userinfo(tokens)).toMatchObject({ idp: 'google' });
    const one = { claims: JSON.stringify({ userinfo: { idp: { essential: true } } }) };
    const there = await signIn(flow, config, person.id, { parameters: one, means: GOOGLE });
    expect(there.tokens.claims()).not.toHaveProperty('idp');
    expect(await userinfo(there.tokens)).toMatchObject({ idp: 'google' });
  });

  test('is not given to those who do not ask, and costs them no statement', async () => {
    const asked = flow.sessions.asked.length;
    const { tokens } = await signIn(flow, config, person.id, {
      parameters: { scope: 'openid profile email offline_access', prompt: 'consent' },
      means: GOOGLE,
    });
    expect(tokens.claims()).not.toHaveProperty('idp');
    expect(await userinfo(tokens)).not.toHaveProperty('idp');
    expect(flow.sessions.asked.length).toBe(asked);
  });

  test('is absent after a sign-in by password, essential or not', async () => {
    const claims = JSON.stringify({ id_token: { idp: { essential: true, value: 'google' } }, userinfo: { idp: null } });
    const { tokens } = await signIn(flow, config, person.id, { parameters: { claims } });
    expect(tokens.claims()).not.toHaveProperty('idp');
    expect(await userinfo(tokens)).not.toHaveProperty('idp');
  });

  test('stays after a refresh', async () => {
    const refreshing = await connect(
      flow,
      await flow.register({ metadata: { grant_types: ['authorization_code', 'refresh_token'] } }),
    );
    const { tokens } = await signIn(flow, refreshing, person.id, { parameters: WANTS_IDP, means: GOOGLE });
    const refreshed = await oidc.refreshTokenGrant(refreshing, tokens.refresh_token!);
    expect(refreshed.claims()).toMatchObject({ idp: 'google', amr: ['fed'], acr: FEDERATED });
  });

  test('S-163 is not put on an older sign-in by password, by a later one through an upstream', async () => {
    const refreshing = await connect(
      flow,
      await flow.register({ metadata: { grant_types: ['authorization_code', 'refresh_token'] } }),
    );
    const { tokens } = await signIn(flow, refreshing, person.id, { browser, parameters: WANTS_IDP });
    await signIn(flow, config, person.id, { browser, parameters: { prompt: 'login' }, means: GOOGLE });
    const refreshed = await oidc.refreshTokenGrant(refreshing, tokens.refresh_token!);
    expect(refreshed.claims()).toMatchObject({ amr: ['pwd'], acr: ONE_FACTOR });
    expect(refreshed.claims()).not.toHaveProperty('idp');
  });

  test('is something that people are asked about, by applications that are not ours', async () => {
    const theirs = await connect(flow, await flow.register({ isFirstParty: false }));
    const { url } = await authorizationRequest(theirs, WANTS_IDP);
    const page = await browser.open(url.href);
    const next = await browser.submit(`${page.url.pathname}/login`, { account: person.id, ...GOOGLE });
    expect(pageOf(next)).toMatchObject({ prompt: 'consent', missing: { claims: ['idp'] } });
  });

  test('the session is recorded with its upstream, and with none after a password', async () => {
    const recorded = async () => flow.database.prisma.userSession.findMany({ where: { userId: person.id } });
    await signIn(flow, config, person.id, { browser, means: GOOGLE });
    expect(await recorded()).toMatchObject([{ provider: 'google', amr: ['fed'] }]);
    await signIn(flow, config, person.id, { browser, parameters: { prompt: 'login' } });
    expect(await recorded()).toMatchObject([{ provider: null, amr: ['pwd'] }]);
  });
});

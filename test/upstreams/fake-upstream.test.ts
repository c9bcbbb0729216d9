import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakePerson, type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';

const REDIRECT_URI = 'https://id.example/callback';
const VERIFIER = randomBytes(32).toString('base64url');
const PERSON: FakePerson = { subject: '80351110224678912', email: 'who@mail.example', verified: true, name: 'Who' };
const OTHER: FakePerson = {
  subject: '80351110224678913',
  email: 'other@school.example',
  hostedDomain: 'school.example',
};

let fakes: FakeUpstream;
beforeAll(async () => {
  fakes = await startFakeUpstream();
  fakes.register('https://id.example');
});
afterAll(() => fakes.close());
beforeEach(() => {
  for (const fake of [fakes.google, fakes.discord]) {
    fake.reset();
    fake.people = [PERSON, OTHER];
  }
});

type Provider = 'google' | 'discord';
type Parameters = Record<string, string | undefined>;

const SCOPES = { google: 'openid email profile', discord: 'identify email' };

function form(parameters: Parameters): URLSearchParams {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new URLSearchParams(given);
}

/** As a client asks; undefined leaves a parameter out. */
function address(provider: Provider, parameters: Parameters = {}): string {
  const { endpoints, clientId } = fakes[provider];
  return `${endpoints.authorization}?${form({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: `${REDIRECT_URI}/${provider}`,
    scope: SCOPES[provider],
    state: 'a state',
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
    ...parameters,
  })}`;
}

/** As a client redeems a code. */
async function redeem(provider: Provider, code: string, parameters: Parameters = {}, headers?: HeadersInit) {
  const { endpoints, clientId, clientSecret } = fakes[provider];
  const body = form({
    grant_type: 'authorization_code',
    client_id: clientId,
    client_secret: clientSecret,
    redirect_uri: `${REDIRECT_URI}/${provider}`,
    code,
    code_verifier: VERIFIER,
    ...parameters,
  });
  const response = await fetch(endpoints.token, { method: 'POST', body, headers });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

async function codeOf(provider: Provider, parameters?: Parameters, as?: string): Promise<string> {
  return (await fakes[provider].decide(address(provider, parameters), { as })).searchParams.get('code')!;
}

describe('the imitation sends browsers only where a developer registered', () => {
  const registered = `${REDIRECT_URI}/google`;
  test.each([
    `${registered}/`,
    `${registered}?a=b`,
    registered.toUpperCase(),
    registered.replace('https', 'http'),
    registered.replace('id.', 'evil.'),
    `${REDIRECT_URI}/discord`,
    '',
    undefined,
  ])('%j is refused by a page, and whoever presses a button all the same gets it again', async (redirectUri) => {
    const at = address('google', { redirect_uri: redirectUri });
    const shown = await fetch(at, { redirect: 'manual' });
    expect([shown.status, await shown.text()]).toEqual([400, expect.stringContaining('redirect_uri_mismatch')]);
    const { origin, pathname, searchParams } = new URL(at);
    searchParams.set('as', PERSON.subject);
    const pressed = await fetch(origin + pathname, { method: 'POST', body: searchParams, redirect: 'manual' });
    expect([pressed.status, pressed.headers.get('location')]).toEqual([400, null]);
  });

  test('Discord says it in its own words', async () => {
    const shown = await fetch(address('discord', { redirect_uri: registered }));
    expect([shown.status, await shown.text()]).toEqual([400, expect.stringContaining('Invalid OAuth2 redirect_uri')]);
  });

  test.each<[Parameters, string]>([
    [{ client_id: 'other' }, 'invalid_client'],
    [{ response_type: 'token' }, 'invalid_request'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ scope: undefined }, 'invalid_request'],
  ])('%j is refused by a page', async (parameters, problem) => {
    const shown = await fetch(address('google', parameters));
    expect([shown.status, await shown.text()]).toEqual([400, expect.stringContaining(problem)]);
  });
});

describe('what the browser brings back', () => {
  test('from Google: with its own names of the scopes', async () => {
    const back = await fakes.google.decide(address('google'));
    expect(Object.fromEntries(back.searchParams)).toEqual({
      state: 'a state',
      iss: 'https://accounts.google.com',
      code: expect.any(String),
      scope: 'openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile',
      authuser: '0',
      prompt: 'none',
    });
  });

  test('from Discord: nothing besides', async () => {
    const back = await fakes.discord.decide(address('discord'));
    expect(Object.fromEntries(back.searchParams)).toEqual({
      state: 'a state',
      iss: 'https://discord.com',
      code: expect.any(String),
    });
  });

  test.each(['google', 'discord'] as const)('from %s after a cancel: an error and the state', async (provider) => {
    const back = await fakes[provider].decide(address(provider), { deny: true });
    expect(Object.fromEntries(back.searchParams)).toMatchObject({ state: 'a state', error: 'access_denied' });
    expect(back.searchParams.has('code')).toBe(false);
  });
});

describe.each(['google', 'discord'] as const)('a code of %s', (provider) => {
  test('works once', async () => {
    const code = await codeOf(provider);
    expect((await redeem(provider, code)).json).toMatchObject({ token_type: 'Bearer' });
    expect(await redeem(provider, code)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } });
  });

  test.each<[Parameters, status: number, error: RegExp]>([
    [{ client_id: 'other' }, 401, /^invalid_client$/],
    [{ client_secret: 'wrong' }, 401, /^invalid_client$/],
    [{ redirect_uri: 'https://evil.example' }, 400, /^(?:redirect_uri_mismatch|invalid_grant)$/],
    [{ code_verifier: 'wrong' }, 400, /^invalid_grant$/],
    [{ code_verifier: undefined }, 400, /^invalid_grant$/],
    [{ grant_type: 'password' }, 400, /^unsupported_grant_type$/],
  ])('is worth nothing with %j', async (parameters, status, error) => {
    const answer = await redeem(provider, await codeOf(provider), parameters);
    expect(answer).toMatchObject({ status, json: { error: expect.stringMatching(error) } });
  });

  test('is worth nothing at the other one', async () => {
    const other = provider === 'google' ? 'discord' : 'google';
    expect(await redeem(other, await codeOf(provider))).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    });
  });

  test('is taken from a form only', async () => {
    const headers = { 'content-type': 'application/json' };
    expect(await redeem(provider, await codeOf(provider), {}, headers)).toMatchObject({ status: 400 });
  });
});

describe('refresh tokens', () => {
  const offline = { access_type: 'offline' };
  const hasOne = async (parameters?: Parameters) =>
    'refresh_token' in (await redeem('google', await codeOf('google', parameters))).json;

  test('of Google come with the first consent, and again only when the person is asked again', async () => {
    expect(await hasOne(offline)).toBe(true);
    expect(await hasOne(offline)).toBe(false);
    expect(await hasOne({ ...offline, prompt: 'select_account' })).toBe(false);
    expect(await hasOne({ ...offline, prompt: 'consent' })).toBe(true);
    expect(await hasOne({ prompt: 'consent' })).toBe(false);
  });

  test('of Google do not come when the first consent was not for offline access', async () => {
    expect(await hasOne()).toBe(false);
    expect(await hasOne(offline)).toBe(false);
  });

  test('of Discord come always', async () => {
    for (let count = 0; count < 2; count++) {
      expect((await redeem('discord', await codeOf('discord'))).json).toEqual({
        token_type: 'Bearer',
        access_token: expect.any(String),
        expires_in: 604_800,
        refresh_token: expect.any(String),
        scope: 'email identify',
      });
    }
  });
});

describe('whom the page of Google offers', () => {
  const offeredBy = async (parameters: Parameters) => {
    const page = await (await fetch(address('google', parameters))).text();
    return [...page.matchAll(/name="as" value="([^"]*)"/g)].map(([, subject]) => subject);
  };

  test.each<[Parameters, FakePerson[]]>([
    [{}, [PERSON, OTHER]],
    [{ login_hint: OTHER.email! }, [OTHER, PERSON]],
    [{ login_hint: OTHER.subject }, [OTHER, PERSON]],
    [{ login_hint: 'nobody@mail.example' }, [PERSON, OTHER]],
    [{ hd: 'school.example' }, [OTHER]],
    [{ hd: '*' }, [OTHER]],
    [{ hd: 'college.example' }, []],
  ])('with %j', async (parameters, people) => {
    expect(await offeredBy(parameters)).toEqual(people.map(({ subject }) => subject));
  });

  test('is a hint: who changes the address gets in as anybody, and the claim says of which domain', async () => {
    const code = await codeOf('google', { hd: 'school.example' }, PERSON.subject);
    const { id_token: idToken } = (await redeem('google', code)).json;
    const claims = JSON.parse(Buffer.from(String(idToken).split('.')[1]!, 'base64url').toString());
    expect(claims.sub).toBe(PERSON.subject);
    expect(claims).not.toHaveProperty('hd');
  });
});

describe('Discord and who agreed before', () => {
  /** In a browser that remembers who is signed in there. */
  async function agree(scope = SCOPES.discord): Promise<string> {
    const { origin, pathname, searchParams } = new URL(address('discord', { scope }));
    searchParams.set('as', OTHER.subject);
    const sent = await fetch(origin + pathname, { method: 'POST', body: searchParams, redirect: 'manual' });
    return sent.headers.get('set-cookie')!.split(';')[0]!;
  }
  const visit = (parameters: Parameters, cookie?: string) =>
    fetch(address('discord', parameters), { redirect: 'manual', headers: cookie ? { cookie } : {} });

  test('prompt=none: they come back at once, as the same person', async () => {
    const answer = await visit({ prompt: 'none' }, await agree());
    const { searchParams } = new URL(answer.headers.get('location')!);
    const { json } = await redeem('discord', searchParams.get('code')!);
    const user = await fetch(fakes.discord.endpoints.user, {
      headers: { authorization: `Bearer ${json.access_token}`, 'user-agent': 'a test' },
    });
    expect(await user.json()).toMatchObject({ id: OTHER.subject });
  });

  test.each<[string, Parameters, agreedTo: string]>([
    ['prompt=consent', { prompt: 'consent' }, SCOPES.discord],
    ['no prompt', {}, SCOPES.discord],
    ['more scopes than were agreed to', { prompt: 'none' }, 'identify'],
  ])('%s: the page is shown', async (_what, parameters, agreedTo) => {
    const answer = await visit(parameters, await agree(agreedTo));
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining(OTHER.subject)]);
  });

  test('who signed out there, and who never agreed, sees the page', async () => {
    await agree();
    expect((await visit({ prompt: 'none' })).status).toBe(200);
    expect((await visit({ prompt: 'none' }, `discord_session=${PERSON.subject}`)).status).toBe(200);
    const signedOut = await fetch(`${fakes.origin}/discord/logout`);
    expect(signedOut.headers.get('set-cookie')).toMatch(/^discord_session=;.*Max-Age=0/);
  });

  test('programs that do not say who they are are turned away', async () => {
    const status = await new Promise((resolve, reject) => {
      request(fakes.discord.endpoints.user, (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });
});

test.each([
  ['google', 'userInfo', { error: 'invalid_request', error_description: 'Invalid Credentials' }],
  ['discord', 'user', { message: '401: Unauthorized', code: 0 }],
] as const)('%s: a token in the query is none', async (provider, endpoint, problem) => {
  const { access_token: token } = (await redeem(provider, await codeOf(provider))).json;
  const url = (fakes[provider].endpoints as unknown as Record<string, string>)[endpoint];
  const answer = await fetch(`${url}?access_token=${token}`);
  expect([answer.status, await answer.json()]).toEqual([401, problem]);
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { SetupOutcome } from '../../src/accounts/one-time-links.ts';
import { account, createBrowser, csrfIn, LINK, type Service, startService, UID } from './service.ts';

let service: Service;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service.close());

beforeEach(() => {
  const { world } = service;
  world.findLink.mockReset().mockResolvedValue({ purpose: 'setup' });
  world.completeSetup.mockReset().mockResolvedValue({ kind: 'created', account });
  world.completeSetPassword.mockReset().mockResolvedValue({ kind: 'changed', account });
});

async function submit(path: string, fields: Record<string, string>) {
  const browser = createBrowser(service.issuer);
  const opened = await browser.get(path);
  return { opened, browser, answer: await browser.post(path, { csrf: csrfIn(opened), ...fields }) };
}

describe('setup', () => {
  const path = '/setup/the-token';
  const fields = { user_name: 'jiwoo', name: ' Kim Jiwoo ', email: '', password: 'four unrelated words' };

  test('S-126 makes the administrator and says where to go on', async () => {
    const { answer } = await submit(path, fields);
    expect(answer.status).toBe(200);
    expect(answer.html).toContain('The administrator <strong>jiwoo</strong> has been created');
    expect(answer.html).toContain('href="/playground"');
    const [token, input, by] = service.world.completeSetup.mock.calls[0]!;
    expect(token).toBe('the-token');
    expect(input).toEqual({ userName: 'jiwoo', name: 'Kim Jiwoo', password: 'four unrelated words' });
    expect(by.requestId).toBeTruthy();
  });

  test('looking at the page spends nothing', async () => {
    const browser = createBrowser(service.issuer);
    for (let i = 0; i < 3; i++) expect((await browser.get(path)).status).toBe(200);
    expect(service.world.completeSetup).not.toHaveBeenCalled();
  });

  test('S-126 a link that was used, is unknown or is for something else shows how to get another', async () => {
    for (const link of [undefined, { purpose: 'set_password' as const, account }]) {
      service.world.findLink.mockResolvedValue(link);
      const { status, html } = await createBrowser(service.issuer).get(path);
      expect(status).toBe(410);
      expect(html).toContain('This link no longer works');
      expect(html).toContain('daemun users setup-link');
    }
  });

  test('S-126 whoever comes second is told so', async () => {
    service.world.completeSetup.mockResolvedValue({ kind: 'spent' });
    expect((await submit(path, fields)).answer.status).toBe(410);
  });

  test.each([
    [{ kind: 'refused', field: 'userName', reason: 'missing' }, 422, 'user_name', 'can’t be empty'],
    [{ kind: 'refused', field: 'userName', reason: 'invalid' }, 422, 'user_name', 'letters, digits'],
    [{ kind: 'refused', field: 'userName', reason: 'mixed-scripts' }, 422, 'user_name', 'one script'],
    [{ kind: 'refused', field: 'email', reason: 'invalid' }, 422, 'email', 'isn’t an email address'],
    [{ kind: 'refused', field: 'password', reason: 'too-short' }, 422, 'password', 'at least 15 characters'],
    [{ kind: 'refused', field: 'password', reason: 'common' }, 422, 'password', 'first that attackers try'],
    [{ kind: 'refused', field: 'password', reason: 'something-new' }, 422, 'password', 'isn’t valid'],
    [{ kind: 'refused', field: 'name', reason: 'toString' }, 422, 'name', 'isn’t valid'],
    [{ kind: 'conflict', field: 'userName' }, 409, 'user_name', 'taken already'],
  ] as const)('%j is said beside its field', async (outcome, status, field, words) => {
    service.world.completeSetup.mockResolvedValue(outcome as SetupOutcome);
    const { answer } = await submit(path, fields);
    expect(answer.status).toBe(status);
    const said = new RegExp(`id="${field}-problem">(?:(?!</p>)[\\s\\S])*`).exec(answer.html)?.[0];
    expect(said).toContain(words);
    expect(answer.html).toContain('value="Kim Jiwoo"');
    expect(answer.html).not.toContain('four unrelated words');
  });

  test('S-155 needs the token of the page', async () => {
    expect((await createBrowser(service.issuer).post(path, fields)).status).toBe(403);
    expect(service.world.completeSetup).not.toHaveBeenCalled();
  });
});

describe('choosing a password', () => {
  const path = '/set-password/the-token';

  beforeEach(() => {
    service.world.findLink.mockResolvedValue({ purpose: 'set_password', account });
  });

  test('works for the person of the link, and names them for the password manager', async () => {
    const { opened, answer } = await submit(path, { password: 'four unrelated words' });
    expect(opened.html).toMatch(/autocomplete="username" value="jiwoo@maru.example" readonly/);
    expect(answer.html).toContain('Password saved');
    expect(answer.html).not.toContain('/interaction/');
    expect(service.world.completeSetPassword.mock.calls[0]!.slice(0, 2)).toEqual([
      'the-token',
      { password: 'four unrelated words' },
    ]);
  });

  test('goes on with the sign-in that asked for it', async () => {
    const { answer } = await submit(`${path}?interaction=${UID}`, { password: 'four unrelated words' });
    expect(answer.html).toContain(`href="/interaction/${UID}"`);
  });

  test('goes on with the link that it was asked for on the way to', async () => {
    const { answer } = await submit(`${path}?interaction=${UID}&link=${LINK}`, { password: 'four unrelated words' });
    expect(answer.html).toContain(`href="/interaction/${UID}/link/${LINK}"`);
  });

  test.each(['../../x', 'a/b', '//evil.example', ''])('S-003 does not go on to the link %j', async (link) => {
    const query = new URLSearchParams({ interaction: UID, link });
    const { answer } = await submit(`${path}?${query}`, { password: 'four unrelated words' });
    expect(answer.html).toContain(`href="/interaction/${UID}"`);
  });

  test.each(['https://evil.example', '//evil.example', '../x', 'javascript:alert(1)', `${UID}/logo`])(
    'S-003 does not go on to %s',
    async (interaction) => {
      const { answer } = await submit(`${path}?interaction=${encodeURIComponent(interaction)}`, { password: 'x' });
      expect(answer.html).toContain('Password saved');
      expect(answer.html).not.toContain(interaction);
    },
  );

  test('says why a password is refused', async () => {
    service.world.completeSetPassword.mockResolvedValue({
      kind: 'refused',
      field: 'password',
      reason: 'personal',
      message: '',
    });
    const { answer } = await submit(path, { password: 'jiwoo jiwoo jiwoo' });
    expect(answer.status).toBe(422);
    expect(answer.html).toContain('too close to your name');
  });

  test.each([undefined, { purpose: 'setup' as const }, { purpose: 'set_password' as const }])(
    'the link %j is over',
    async (link) => {
      service.world.findLink.mockResolvedValue(link);
      const { status, html } = await createBrowser(service.issuer).get(path);
      expect(status).toBe(410);
      expect(html).toContain('Ask your administrator');
    },
  );
});

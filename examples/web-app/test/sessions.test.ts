import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Browser, type Page } from './support/browser.ts';
import { startWorld, type World } from './support/world.ts';

let world: World;
let browser: Browser;
beforeEach(async () => {
  world = await startWorld();
  browser = new Browser();
});
afterEach(() => world.close());

async function connected(): Promise<Page> {
  await browser.open(`${world.webApp}/sign-in`);
  const question = await browser.open(`${world.webApp}/sessions`);
  expect(question.text).toContain('Connect the API');
  return browser.submit(question, '/connect');
}

test('connecting asks for a token for the API alone, and then sessions are created, listed and changed', async () => {
  const empty = await connected();
  expect([empty.status, empty.url]).toEqual([200, `${world.webApp}/sessions`]);
  const asked = new URL(browser.visited.find((url) => url.startsWith(`${world.issuer}/auth`)) as string);
  expect(asked.searchParams.get('resource')).toBe(world.api);
  expect(asked.searchParams.get('scope')).toBe('openid sessions:read sessions:write');
  expect(empty.text).toContain('There is none yet');

  const list = await browser.submit(empty, '/sessions', { note: 'Rice <cake>' });
  expect(list.text).toContain('Rice &lt;cake&gt;');
  const path = /href="(\/sessions\/[^"]+)"/.exec(list.text)?.[1] as string;
  const session = await browser.open(world.webApp + path);
  const changed = await browser.submit(session, path, { note: 'Barley tea' });
  expect(changed.text).toContain('Barley tea');
  expect(changed.text).toMatch(/data-field="version">2</);
  expect((await browser.open(`${world.webApp}/profile`)).text).toContain('sessions:read sessions:write');
});

test('the browser sees changes as events, without ever holding a token', async () => {
  const list = await browser.submit(await connected(), '/sessions', { note: 'one' });
  const path = /href="(\/sessions\/[^"]+)"/.exec(list.text)?.[1] as string;
  const response = await browser.fetch(`${world.webApp}${path}/events`);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  const readUntil = async (expected: string) => {
    while (!text.includes(expected)) text += new TextDecoder().decode((await reader.read()).value);
  };
  await readUntil('"note":"one"');
  await browser.submit(await browser.open(world.webApp + path), path, { note: 'two' });
  await readUntil('"note":"two"');
  await reader.cancel();
});

test('an API token that was refused is renewed without the person noticing', async () => {
  await connected();
  const before = world.refreshTokens.length;
  world.mishaps.apiRefusals = 1;
  expect((await browser.open(`${world.webApp}/sessions`)).text).toContain('Your sessions');
  expect(world.refreshTokens).toHaveLength(before + 1);
});

test('an API that refuses new tokens too has to be connected again', async () => {
  await connected();
  world.mishaps.apiRefusals = 2;
  expect((await browser.open(`${world.webApp}/sessions`)).text).toContain('Connect the API');
});

test('tokens about to expire are renewed first, and once for all tabs', async () => {
  world.behaviour.accessTokenLifetime = 5;
  await connected();
  world.behaviour.accessTokenLifetime = 600;
  const before = world.refreshTokens.length;
  const tabs = await Promise.all(Array.from({ length: 5 }, () => browser.open(`${world.webApp}/sessions`)));
  expect(tabs.every(({ text }) => text.includes('Your sessions'))).toBe(true);
  expect(world.refreshTokens).toHaveLength(before + 1);
});

test('connecting as somebody else is refused', async () => {
  await browser.open(`${world.webApp}/sign-in`);
  const question = await browser.open(`${world.webApp}/sessions`);
  for (const name of [...browser.cookies(world.issuer).keys()])
    (browser.cookies(world.issuer) as Map<string, string>).delete(name);
  world.behaviour.account = 'eve';
  const page = await browser.submit(question, '/connect');
  expect([page.status, page.text]).toEqual([403, expect.stringContaining('That was somebody else')]);
  expect((await browser.open(`${world.webApp}/sessions`)).text).toContain('Connect the API');
});

test('an unknown session is not there', async () => {
  await connected();
  const page = await browser.open(`${world.webApp}/sessions/unknown`);
  expect([page.status, page.text]).toEqual([404, expect.stringContaining('There is no such session')]);
});

test.each(['', '   ', 'x'.repeat(501)])('the note "%.5s" is refused', async (note) => {
  const page = await browser.submit(await connected(), '/sessions', { note });
  expect([page.status, page.text]).toEqual([400, expect.stringContaining('The note is not right')]);
});

test('while the API is down, a page says so', async () => {
  await connected();
  await world.stopApi();
  const page = await browser.open(`${world.webApp}/sessions`);
  expect([page.status, page.text]).toEqual([502, expect.stringContaining('The API cannot be reached')]);
});

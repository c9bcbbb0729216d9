import { describe, expect, test } from '@jest/globals';
import type { StoredAccount } from '../../src/accounts/account.ts';
import { workAs } from '../../src/platform/database/as-subject.ts';
import { actingFor, BY, makeKey, NOTES } from '../api-keys/key-nodes.ts';
import {
  type Browser,
  type ConsoleService,
  fieldsIn,
  LIST,
  NEW,
  submit,
  textOf,
  useConsole,
  valueIn,
} from './service.ts';

let service: ConsoleService;
let browser: Browser;
let account: StoredAccount;
useConsole((world) => {
  ({ service, browser, account } = world);
});

const READ = `scope ${NOTES} read`;
const WRITE = `scope ${NOTES} write`;
const DAY = 86_400_000;

const keys = async () =>
  (await service.node.apiKeys.list({ owner: { kind: 'user', id: account.id }, limit: 100 }, actingFor(account.id)))
    .apiKeys;

/** On the page, to its value. */
async function make(fields: Record<string, string> = {}) {
  const made = await submit(browser, NEW, { key_name: 'Backup', [READ]: 'yes', ...fields });
  expect({ status: made.status, location: made.headers.get('location') }).toEqual({
    status: 303,
    location: '/account/api-keys/value',
  });
  const shown = await browser.get('/account/api-keys/value');
  const [key] = await keys();
  return { shown, value: valueIn(shown)!, key: key! };
}

test('without keys the list says in two sentences what one is, and leads to the form', async () => {
  const page = await browser.get(LIST);
  expect(page.status).toBe(200);
  expect(page.headers.get('cache-control')).toBe('no-store');
  expect(textOf(page)).toContain('No API keys yet');
  expect(page.html).toContain(`href="${NEW}"`);
  // Whose page it is, and the way out.
  expect(textOf(page)).toContain(account.name ?? account.userName ?? account.email!.address);
  expect(page.html).toContain('href="/logout?client_id=account"');
});

test('a key made on the page has the rights, the end and the addresses that were chosen, and works', async () => {
  const { shown, value, key } = await make({
    description: ' Every night ',
    [WRITE]: 'yes',
    expiry: String(7 * 86_400),
    addresses: '192.0.2.7, 2001:db8::/48',
  });
  expect(shown.status).toBe(200);
  expect(shown.headers.get('cache-control')).toBe('no-store');
  expect(key).toMatchObject({
    owner: { kind: 'user', id: account.id },
    name: 'Backup',
    description: 'Every night',
    access: { [NOTES]: ['read', 'write'] },
    allowedAddresses: ['192.0.2.7/32', '2001:db8::/48'],
    createdBy: account.id,
  });
  expect(Math.abs(key.expiresAt!.getTime() - Date.now() - 7 * DAY)).toBeLessThan(DAY / 24);
  const context = { resource: NOTES, address: '192.0.2.7' };
  expect(await service.node.apiKeyCheck.check(value, context)).toMatchObject({ kind: 'valid', apiKey: { id: key.id } });
  expect(textOf(shown)).toContain(`curl ${NOTES} -H "Authorization: Bearer $API_KEY"`);
});

test('the value is shown once: a reload leads to the list and makes no second key', async () => {
  const { value } = await make();
  expect(value).toMatch(/^sk-[0-9A-Za-z]{36}$/);
  const again = await browser.get('/account/api-keys/value');
  expect([again.status, again.headers.get('location')]).toEqual([303, LIST]);
  const list = await browser.get(LIST);
  expect(list.html).not.toContain(value);
  expect(list.html).toContain(`sk-…${value.slice(-4)}`);
  expect(await keys()).toHaveLength(1);
});

test('what carries the value to the next page is sealed, for this session alone, and out of reach of script', async () => {
  const made = await submit(browser, NEW, { key_name: 'Backup', [READ]: 'yes' });
  const cookie = made.cookies.find((line) => line.startsWith('daemun_value='))!;
  expect(cookie).toMatch(/; samesite=strict/i);
  expect(cookie).toMatch(/; httponly/i);
  expect(Buffer.from(cookie, 'base64').toString('latin1')).not.toContain('sk-');
  expect(made.html).not.toContain('sk-');
  // Somebody else who signs in here meanwhile.
  const first = service.session!;
  service.session = { ...first, uid: 'another-session' };
  expect((await browser.get('/account/api-keys/value')).status).toBe(303);
  service.session = first;
  expect((await browser.get('/account/api-keys/value')).status).toBe(303);
});

describe('what is wrong is said at its field, and what was typed stays:', () => {
  test.each<[string, Record<string, string | undefined>, string]>([
    ['no name', { key_name: '  ' }, 'This can’t be empty.'],
    ['a long name', { key_name: 'x'.repeat(101) }, 'This is too long.'],
    ['an invisible letter', { key_name: 'Back\u200bup' }, 'signs that can be seen'],
    ['a long note', { description: 'x'.repeat(501) }, 'This is too long.'],
    ['nothing that it may do', { [READ]: undefined }, 'Choose at least one thing'],
    ['no address', { addresses: '192.0.2.1\noffice' }, '“office” is neither an IP address'],
    ['a block that is none', { addresses: '192.0.2.0/33' }, '“192.0.2.0/33” is neither'],
    ['too many addresses', { addresses: '192.0.2.1\n'.repeat(51) }, 'too many addresses'],
    ['no day', { expiry: 'date', date: '' }, 'Enter the last day'],
    ['a day that is none', { expiry: 'date', date: '2027-02-31' }, 'Enter the last day'],
    ['a day that is over', { expiry: 'date', date: '2020-01-01' }, 'Choose a day in the future.'],
    ['a day too far away', { expiry: 'date', date: '2090-01-01' }, 'Choose a day within the next 366 days.'],
    ['no end, by somebody who is no administrator', { expiry: 'never' }, 'Choose how long it works.'],
    ['another span', { expiry: '999999999' }, 'Choose how long it works.'],
    ['the end of a key that is not there', { expiry: 'keep' }, 'Choose how long it works.'],
    ['no span', { expiry: undefined }, 'Choose how long it works.'],
  ])('%s', async (_, changes, message) => {
    const given = { key_name: 'Backup', description: 'Typed', [READ]: 'yes', addresses: '198.51.100.0/24', ...changes };
    const page = await submit(browser, NEW, given);
    expect(page.status).toBe(422);
    expect(textOf(page)).toContain(message);
    expect(page.html.match(/ autofocus/g)).toHaveLength(1);
    const expected = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined && value !== ''),
    );
    const { csrf: _csrf, ...kept } = fieldsIn(page);
    // A choice that does not exist cannot be shown.
    if (!['date', String(7 * 86_400)].includes(expected.expiry ?? '')) delete expected.expiry;
    expect(kept).toMatchObject(expected);
    expect(await keys()).toEqual([]);
  });
});

test('rights that nobody offered are given to no key, whatever a form says', async () => {
  const page = await submit(browser, NEW, {
    key_name: 'Backup',
    'scope https://elsewhere.example.com read': 'yes',
    [`scope ${NOTES} everything`]: 'yes',
    'scope https://id.example.com/api/v1 admin:api-keys:write': 'yes',
    __proto__: 'yes',
  });
  expect(page.status).toBe(422);
  expect(textOf(page)).toContain('Choose at least one thing');
  expect(await keys()).toEqual([]);
});

test('what only administrators may give is offered to them alone, as is a key without end', async () => {
  expect(textOf(await browser.get(NEW))).not.toContain('everybody’s');
  account = await service.signInAnew({ isAdministrator: true });
  const page = await browser.get(NEW);
  expect(textOf(page)).toContain('Read everybody’s profile');
  expect(textOf(page)).toContain('Without end');
  const { key } = await make({ expiry: 'never' });
  expect(key.expiresAt).toBeUndefined();
});

test('a day of one’s own choosing is the last on which the key works', async () => {
  const day = new Date(Date.now() + 40 * DAY).toISOString().slice(0, 10);
  const { key } = await make({ expiry: 'date', date: day });
  expect(key.expiresAt).toEqual(new Date(`${day}T23:59:59Z`));
});

test('the list says of each key what it may, when it was used and when it ends, and keeps apart those that ended', async () => {
  const owner = { kind: 'user', id: account.id } as const;
  const old = await makeKey(service.node, owner, { name: 'Old laptop' });
  await service.node.apiKeys.revoke(old.id, actingFor(account.id), BY);
  const live = await makeKey(service.node, owner, {
    name: 'Nightly <b>backup</b>',
    access: { [NOTES]: ['read', 'write'] },
  });
  const page = await browser.get(LIST);
  const [working, ended] = page.html.split('<details class="technical"');
  expect(textOf({ html: working! })).toContain('Nightly &lt;b&gt;backup&lt;/b&gt;');
  expect(textOf({ html: working! })).toContain('Notes read · write');
  expect(textOf({ html: working! })).toContain('Last used Never');
  expect(textOf({ html: ended! })).toMatch(/1 key that no longer works Old laptop Revoked/);
  expect(working).toContain(`/account/api-keys/${live.id}/rotate`);
  expect(ended).not.toContain(`/account/api-keys/${old.id}`);
});

test('a change keeps what is not touched, and says that it was made', async () => {
  const { key } = await make({ addresses: '192.0.2.0/24', description: 'Every night' });
  const path = `/account/api-keys/${key.id}`;
  const changed = await submit(browser, path, { key_name: 'Backup 2', [WRITE]: 'yes' });
  expect([changed.status, changed.headers.get('location')]).toEqual([303, LIST]);
  const [after] = await keys();
  expect(after).toMatchObject({
    id: key.id,
    name: 'Backup 2',
    description: 'Every night',
    access: { [NOTES]: ['read', 'write'] },
    allowedAddresses: ['192.0.2.0/24'],
    expiresAt: key.expiresAt,
  });
  expect(textOf(await browser.get(LIST))).toContain('The key “Backup 2” has been changed.');
  expect(textOf(await browser.get(LIST))).not.toContain('has been changed');
  // Rights can be taken again, and refused values change nothing.
  expect((await submit(browser, path, { [WRITE]: undefined, description: '' })).status).toBe(303);
  expect((await submit(browser, path, { key_name: '' })).status).toBe(422);
  const [last] = await keys();
  expect(last).toMatchObject({ name: 'Backup 2', access: { [NOTES]: ['read'] } });
  expect(last).not.toHaveProperty('description');
});

test('a rotated key has a new value, shown once, and the one before works as long as was chosen', async () => {
  const { key, value } = await make();
  const path = `/account/api-keys/${key.id}/rotate`;
  const rotated = await submit(browser, path, { overlap: '3600' });
  expect([rotated.status, rotated.headers.get('location')]).toEqual([303, '/account/api-keys/value']);
  const shown = await browser.get('/account/api-keys/value');
  const next = valueIn(shown)!;
  expect(next).not.toBe(value);
  expect(textOf(shown)).toMatch(/The value before works until \w+/);
  const check = (presented: string) => service.node.apiKeyCheck.check(presented, { resource: NOTES });
  expect([(await check(value)).kind, (await check(next)).kind]).toEqual(['valid', 'valid']);
  const before = (await keys()).find(({ id }) => id === key.id)!;
  expect(Math.abs(before.expiresAt!.getTime() - Date.now() - 3_600_000)).toBeLessThan(600_000);
  const list = await browser.get(LIST);
  expect(textOf(list)).toContain('Being replaced');
  // Only once: there is no second successor.
  const again = await browser.get(path);
  expect([again.status, again.headers.get('location')]).toEqual([303, LIST]);
  expect(textOf(await browser.get(LIST))).toContain('was rotated already');
  expect(await keys()).toHaveLength(2);
});

test('rotated without an overlap, the value before ends at once', async () => {
  const { key, value } = await make();
  await submit(browser, `/account/api-keys/${key.id}/rotate`, { overlap: '0' });
  expect(textOf(await browser.get('/account/api-keys/value'))).toContain('The value before no longer works.');
  expect((await service.node.apiKeyCheck.check(value, { resource: NOTES })).kind).toBe('refused');
});

test('revoking asks first, ends the key, and may be pressed twice', async () => {
  const { key, value } = await make();
  const path = `/account/api-keys/${key.id}/revoke`;
  const asked = await browser.get(path);
  expect(textOf(asked)).toContain('Revoke “Backup”?');
  expect((await keys())[0]!.status).toBe('active');
  const revoked = await submit(browser, path, {}, asked);
  expect([revoked.status, revoked.headers.get('location')]).toEqual([303, LIST]);
  expect((await keys())[0]).toMatchObject({ status: 'revoked', revokedBy: account.id });
  expect((await service.node.apiKeyCheck.check(value, { resource: NOTES })).kind).toBe('refused');
  expect((await submit(browser, path, {}, asked)).status).toBe(303);
  expect(textOf(await browser.get(LIST))).toContain('The key “Backup” no longer works anywhere.');
  // Nothing more can be done with it.
  for (const step of ['', '/rotate', '/revoke']) {
    const page = await browser.get(`/account/api-keys/${key.id}${step}`);
    expect([page.status, page.headers.get('location')]).toEqual([303, LIST]);
  }
});

test('a right that has gone since is not shown, and a key without any says so', async () => {
  const identifier = 'https://weather.example.com/';
  const { resourceServers } = service.node;
  const scopes = ['rain', 'snow'].map((name) => ({ name, description: `See ${name}` }));
  await resourceServers.create({ identifier, name: 'Weather', scopes }, BY);
  const owner = { kind: 'user', id: account.id } as const;
  const key = await makeKey(service.node, owner, { access: { [identifier]: ['rain', 'snow'] } });
  expect(textOf(await browser.get(LIST))).toContain('Weather See rain · See snow');
  await resourceServers.update(identifier, { scopes: scopes.slice(1) }, BY);
  const list = textOf(await browser.get(LIST));
  expect([list.includes('Weather See snow'), list.includes('rain')]).toEqual([true, false]);
  // Whoever changes the key gives what there is.
  const form = await browser.get(`/account/api-keys/${key.id}`);
  expect(fieldsIn(form)).toMatchObject({ [`scope ${identifier} snow`]: 'yes' });
  expect((await submit(browser, `/account/api-keys/${key.id}`, {}, form)).status).toBe(303);
  expect((await keys())[0]!.access).toEqual({ [identifier]: ['snow'] });
});

test('many keys of long ago are on further pages', async () => {
  await workAs(service.database.pool, { role: 'administrator' }, (client) =>
    client.query(
      `INSERT INTO api_keys (id, owner_kind, user_id, digest, prefix, hint, name, access, allowed_addresses, revoked_at)
        SELECT gen_random_uuid(), 'user', $1::uuid, decode(md5($1::uuid || 'a' || n) || md5($1::uuid::text), 'hex'), 'sk-', 'abcd', 'Old ' || n, '{}', '{}', now()
        FROM generate_series(1, 60) AS n`,
      [account.id],
    ),
  );
  const names = (page: { html: string }) => [...page.html.matchAll(/<h2>(Old \d+)<\/h2>/g)].map(([, name]) => name);
  const first = await browser.get(LIST);
  expect(textOf(first)).toContain('50 keys that no longer work');
  const [, older] = /href="(\/account\/api-keys\?after=[^"]+)"/.exec(first.html)!;
  const second = await browser.get(older!);
  expect(textOf(second)).toContain('10 keys that no longer work');
  expect(second.html).toContain(`href="${LIST}"`);
  expect(new Set([...names(first), ...names(second)]).size).toBe(60);
  // An address that nobody was given leads nowhere, and breaks nothing.
  for (const after of ['x', '', "'"]) {
    expect((await browser.get(`${LIST}?after=${encodeURIComponent(after)}`)).status).toBe(200);
  }
});

describe('at the limit', () => {
  test('the form says so and makes none', async () => {
    const open = await browser.get(NEW);
    const owner = { kind: 'user', id: account.id } as const;
    for (let made = 0; made < 20; made++) await makeKey(service.node, owner);
    const page = await submit(browser, NEW, { key_name: 'One more', [READ]: 'yes' }, open);
    expect(page.status).toBe(409);
    expect(textOf(page)).toContain('You have as many keys as you may have.');
    expect(fieldsIn(page)).toMatchObject({ key_name: 'One more', [READ]: 'yes' });
    const list = await browser.get(LIST);
    expect(textOf(list)).toContain('You have 20 keys that work');
    expect(list.html).not.toContain(`href="${NEW}"`);
    expect(await keys()).toHaveLength(20);
  });
});

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Account } from '../../src/accounts/account.ts';
import { generateApiKeyValue } from '../../src/api-keys/api-key-value.ts';
import { createFoundKeyQueue } from '../../src/management/found-key-queue.ts';
import { createSecretScanningKeys } from '../../src/management/secret-scanning-keys.ts';
import { sha256 } from '../../src/platform/sha256.ts';
import { type Api, startApi } from './api.ts';

const partner = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const others = generateKeyPairSync('ec', { namedCurve: 'P-256' });

let keyServer: Server;
let asked = 0;
let api: Api;
let person: Account;
beforeAll(async () => {
  keyServer = createServer((_req, res) => {
    asked += 1;
    const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    const public_keys = [
      { key_identifier: 'partner-1', key: pem(partner.publicKey), is_current: true },
      { key_identifier: 'rsa-1', key: pem(rsa), is_current: false },
    ];
    res.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify({ public_keys }));
  });
  await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
  api = await startApi({
    DANGEROUSLY_FETCH_FROM_LOOPBACK: 'on',
    DAEMUN_SECRET_SCANNING_KEYS_URL: `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/keys`,
  });
  person = await api.person();
});
afterAll(async () => {
  await api.close();
  keyServer.closeAllConnections();
  await new Promise((resolve) => keyServer.close(resolve));
});

const keyOf = (owner = person) => api.key({ kind: 'user', id: owner.id }, ['profile:read'], { name: 'Lost' });
const works = async (bearer: string) => (await api.ask('GET', '/me', { bearer })).status === 200;

async function mailsAbout(text: string): Promise<string[]> {
  const { rows } = await api.services.database.pool.query<{ mail: string }>(
    "SELECT row_to_json(m)::text AS mail FROM mail_messages m WHERE row_to_json(m)::text LIKE '%' || $1 || '%'",
    [text],
  );
  return rows.map(({ mail }) => mail);
}

describe('whoever holds a key may end it', () => {
  test('without an account; what is no key of ours is passed over; the answer is the same', async () => {
    const { value, apiKey } = await keyOf();
    const unknown = generateApiKeyValue('sk-').reveal();
    const answers = [
      await api.ask('POST', '/api-keys/found', { body: { keys: [value, 'sk-rubbish', unknown, value] } }),
      await api.ask('POST', '/api-keys/found', { body: { keys: [value] } }),
      await api.ask('POST', '/api-keys/found', { body: { keys: [unknown] } }),
    ];
    expect(answers.map(({ status, text }) => [status, text])).toEqual([
      [202, ''],
      [202, ''],
      [202, ''],
    ]);
    expect(await works(value)).toBe(false);
    const rows = await api.audited('api_key.revoked');
    const ofIt = rows.filter(({ details }) => details.apiKey === apiKey.id);
    expect(ofIt).toMatchObject([{ actor: 'found', user_id: person.id, details: { reason: 'reported as found' } }]);
    const mails = await mailsAbout(`…${apiKey.hint}`);
    expect(mails.filter((mail) => mail.includes('found'))).toHaveLength(1);
    expect([...mails, JSON.stringify(rows), ...api.log].join()).not.toContain(value);
  });

  test.each([
    ['nothing', {}],
    ['an empty list', { keys: [] }],
    ['too many', { keys: new Array(101).fill('sk-x') }],
    ['a text', { keys: 'sk-x' }],
    ['objects', { keys: [{}] }],
    ['another field', { keys: ['sk-x'], url: 'https://example.com' }],
  ])('and %s is refused', async (_case, body) => {
    expect((await api.ask('POST', '/api-keys/found', { body })).status).toBe(400);
  });
});

test('a crowd that reports keys is in each other’s way, and in nobody else’s: so many at once, and the rest is sent away', async () => {
  const lookForEach = createFoundKeyQueue();
  let now = 0;
  let most = 0;
  let done = 0;
  const look = async () => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    done += 1;
    if (done % 7 === 0) throw new Error('one that fails keeps none of the others from their turn');
  };
  const many = (count: number) => new Array(count).fill('sk-x');
  const reports = Array.from({ length: 6 }, () =>
    lookForEach(many(100), look).then(
      () => 'done',
      (error) => error.code,
    ),
  );
  const outcomes = await Promise.all(reports);
  expect(outcomes.filter((outcome) => outcome === 'unavailable')).toHaveLength(2);
  while (now > 0 || done < 400) await new Promise((resolve) => setImmediate(resolve));
  expect([most, done]).toEqual([8, 400]);
  await lookForEach(many(3), async () => {});
});

describe('a partner reports leaked keys', () => {
  const report = (tokens: string[]) =>
    JSON.stringify(
      tokens.map((token) => ({
        token,
        type: 'daemun_api_key',
        url: 'https://github.com/x/y/blob/main/.env',
        source: 'content',
      })),
    );
  const signatureOf = (text: string, key = partner.privateKey) =>
    sign('sha256', Buffer.from(text), key).toString('base64');
  const send = (raw: string, headers: Record<string, string> = {}) =>
    api.ask('POST', '/secret-scanning/reports', {
      raw,
      headers: {
        'content-type': 'application/json',
        'github-public-key-identifier': 'partner-1',
        'github-public-key-signature': signatureOf(raw),
        ...headers,
      },
    });

  test('which are revoked, and the owner is told where; it learns which were keys, and nothing else does', async () => {
    const { value, apiKey } = await keyOf();
    const unknown = generateApiKeyValue('sk-').reveal();
    const raw = report([value, unknown]);
    const hash = (text: string) => sha256(text).toString('base64');
    const expected = [
      { token_hash: hash(value), token_type: 'daemun_api_key', label: 'true_positive' },
      { token_hash: hash(unknown), token_type: 'daemun_api_key', label: 'false_positive' },
    ];
    const { status, json, text } = await send(raw);
    expect([status, json]).toEqual([200, expected]);
    expect(text).not.toContain(value);
    expect(await works(value)).toBe(false);
    // A report that comes again changes nothing and tells nobody.
    expect((await send(raw)).json).toEqual(expected);
    const rows = (await api.audited('api_key.revoked')).filter(({ details }) => details.apiKey === apiKey.id);
    expect(rows).toMatchObject([
      { actor: 'secret-scanning', details: { foundAt: 'https://github.com/x/y/blob/main/.env' } },
    ]);
    const mails = (await mailsAbout(`…${apiKey.hint}`)).filter((mail) => mail.includes('https://github.com/x/y'));
    expect(mails).toHaveLength(1);
    expect(mails[0]).not.toContain(value);
  });

  test('S-175 a place with characters that no database keeps, or with lines of its own, hinders no revocation and writes no line of a mail', async () => {
    const places = [
      'https://github.com/x\u0000\ud83d',
      'https://github.com/x\r\n\r\nhttps://evil.example/\r\n\r\n',
      `https://github.com/${'x'.repeat(280)}😀`,
    ];
    const keys = await Promise.all(places.map(() => keyOf()));
    const reported = places.map((url, index) => ({ token: keys[index]!.value, type: 'daemun_api_key', url }));
    const { status, json } = await send(JSON.stringify(reported));
    expect([status, json]).toEqual([200, places.map(() => expect.objectContaining({ label: 'true_positive' }))]);
    for (const { value, apiKey } of keys) {
      expect(await works(value)).toBe(false);
      const mails = (await mailsAbout(`…${apiKey.hint}`)).filter((mail) => mail.includes('https://github.com/x'));
      expect(mails).toHaveLength(1);
      expect(mails[0]).not.toMatch(/^https:\/\/evil|\p{Cs}|\0/mu);
    }
  });

  test.each<[string, (raw: string) => Record<string, string>]>([
    ['nobody', () => ({ 'github-public-key-signature': '' })],
    ['somebody else', (raw) => ({ 'github-public-key-signature': signatureOf(raw, others.privateKey) })],
    ['the partner for another body', () => ({ 'github-public-key-signature': signatureOf('[]') })],
    ['a key that the partner has not', () => ({ 'github-public-key-identifier': 'partner-9' })],
    ['a key of another kind', () => ({ 'github-public-key-identifier': 'rsa-1' })],
    ['a name that is no name', () => ({ 'github-public-key-identifier': '../../x' })],
    ['no name', () => ({ 'github-public-key-identifier': '' })],
  ])('S-038 a report signed by %s is refused and ends nothing', async (_case, headers) => {
    const { value } = await keyOf(await api.person());
    const raw = report([value]);
    expect(await send(raw, headers(raw))).toMatchObject({ status: 401, json: { code: 'unauthorized' } });
    expect(await works(value)).toBe(true);
  });

  test.each([
    ['no array', '{"token":"sk-x"}', 400],
    ['no tokens', '[{"type":"x"}]', 400],
    ['no JSON', '[', 400],
    ['too long', JSON.stringify('x'.repeat(300_000)), 413],
  ])('and one that is %s is refused although it is signed', async (_case, raw, status) => {
    expect((await send(raw)).status).toBe(status);
  });

  test('names that nobody knows make us ask the partner once a minute, however many come', async () => {
    const before = asked;
    for (let round = 0; round < 5; round++) await send('[]', { 'github-public-key-identifier': `stranger-${round}` });
    expect(asked - before).toBeLessThanOrEqual(1);
  });
});

describe('the partner’s keys', () => {
  const answer = (identifier: string) => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(
      JSON.stringify({
        public_keys: [{ key_identifier: identifier, key: partner.publicKey.export({ type: 'spki', format: 'pem' }) }],
      }),
    ),
  });

  test('are asked for again when one is not known, go on for a day without the partner, and then count no more', async () => {
    let time = 0;
    let identifier = 'one';
    let isAway = false;
    let count = 0;
    const warnings: unknown[] = [];
    const keys = createSecretScanningKeys({
      url: 'https://partner.example/keys',
      now: () => time,
      logger: { warn: ((...given: unknown[]) => void warnings.push(given)) as never },
      async fetch() {
        count += 1;
        if (isAway) throw new Error('away');
        return answer(identifier) as never;
      },
    });
    expect(await keys.find('one')).toBeDefined();
    await Promise.all([keys.find('one'), keys.find('one')]);
    expect(count).toBe(1);
    identifier = 'two';
    expect(await keys.find('two')).toBeUndefined();
    time += 61_000;
    expect(await keys.find('two')).toBeDefined();
    expect([count, await keys.find('one')]).toEqual([2, undefined]);
    isAway = true;
    time += 2 * 60 * 60_000;
    expect(await keys.find('two')).toBeDefined();
    expect(warnings).not.toHaveLength(0);
    time += 24 * 60 * 60_000;
    expect(await keys.find('two')).toBeUndefined();
  });
});

test('where no partner is configured there is nothing to report to', async () => {
  const { json } = await api.ask('GET', '/openapi.json');
  expect(json.paths['/secret-scanning/reports']).toBeDefined();
  const { secretScanningHandlers } = await import('../../src/management/found-keys.routes.ts');
  const { reportLeakedSecrets } = secretScanningHandlers({} as never);
  await expect(reportLeakedSecrets({} as never)).rejects.toMatchObject({ code: 'not_found' });
});

import { describe, expect, test } from '@jest/globals';
import { deviceName, printableUserAgent } from '../../src/accounts/device-name.ts';
import { digestOfDeviceSecret, parseDeviceToken, renewDeviceToken } from '../../src/accounts/device-token.ts';
import type { TestDatabase } from '../support/database.ts';
import { createPerson, PASSWORD, type TestNode, useNodes } from './node.ts';

describe('the name of a device', () => {
  test.each([
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
      'Safari, iPhone',
    ],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0', 'Firefox, Linux'],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0',
      'Microsoft Edge, macOS',
    ],
    ['\x01\x02', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of %j is %j', (userAgent, name) => {
    expect(deviceName(userAgent)).toBe(name);
  });

  test('comes from a header that is cut and has no control characters', () => {
    expect(printableUserAgent(`a\x00b\x1b[31m${'c'.repeat(1_000)}`)).toMatch(/^ab\[31mc{1,512}$/);
  });
});

describe('the token that a browser keeps', () => {
  test('has a new secret in front of at most three others', () => {
    let secrets: string[] = [];
    for (let round = 0; round < 6; round++) {
      const { token, secret } = renewDeviceToken(secrets);
      expect(parseDeviceToken(token)).toEqual([secret, ...secrets].slice(0, 4));
      secrets = parseDeviceToken(token);
    }
    expect(new Set(secrets).size).toBe(4);
  });

  test.each([undefined, '', '.', 'x', '....', 'a'.repeat(44), `${'a'.repeat(42)}=`, '\0'.repeat(43)])(
    'that is %j has no secrets',
    (token) => {
      expect(parseDeviceToken(token)).toEqual([]);
    },
  );
});

describe('after a sign-in', () => {
  let database: TestDatabase;
  let node: TestNode;
  useNodes((nodes) => {
    ({ database, node } = nodes);
  });

  async function signIn(login: string, deviceToken?: string): Promise<string> {
    const outcome = await node.signIn.withPassword({ login, password: PASSWORD, deviceToken }, {});
    if (outcome.kind !== 'signed_in') throw new Error(`not signed in: ${outcome.kind}`);
    return outcome.deviceToken;
  }

  test('only a digest of the secret is kept', async () => {
    const { id, email } = await createPerson(node);
    const [secret] = parseDeviceToken(await signIn(email));
    const [row] = await database.prisma.knownDevice.findMany({ where: { userId: id } });
    expect(Buffer.from(row!.digest)).toEqual(digestOfDeviceSecret(secret!));
  });

  test('S-150 a token that was planted in the browser is not adopted', async () => {
    const [victim, attacker] = [await createPerson(node), await createPerson(node)];
    const planted = await signIn(attacker.email);
    const secrets = parseDeviceToken(await signIn(victim.email, planted));
    expect(secrets[0]).not.toBe(planted);
    const known = await database.prisma.knownDevice.findMany({ where: { userId: victim.id } });
    expect(known.map(({ digest }) => Buffer.from(digest))).toEqual([digestOfDeviceSecret(secrets[0]!)]);
  });

  test('people who share a browser are each known in it', async () => {
    const [one, two] = [await createPerson(node), await createPerson(node)];
    const first = await signIn(one.email);
    const both = await signIn(two.email, first);
    expect(parseDeviceToken(both)).toHaveLength(2);
    expect(await signIn(one.email, both)).toBe(both);
    expect(await signIn(two.email, both)).toBe(both);
  });

  test('a person is known in at most twenty browsers, those used last', async () => {
    const { id, email } = await createPerson(node);
    const first = await signIn(email);
    const second = await signIn(email);
    await signIn(email, first);
    for (let browser = 0; browser < 19; browser++) await signIn(email);
    expect(await database.prisma.knownDevice.count({ where: { userId: id } })).toBe(20);
    expect(await signIn(email, first)).toBe(first);
    expect(await signIn(email, second)).not.toBe(second);
  });
});

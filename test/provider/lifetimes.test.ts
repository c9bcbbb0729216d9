import { describe, expect, test } from '@jest/globals';
import { POLICY_MEMBER } from '../../src/provider/client-policy.ts';
import { epochTime, grantLifetime, lifetimesFor } from '../../src/provider/lifetimes.ts';
import { endingAfter } from '../../src/provider/session-adapter.ts';
import { LIFETIMES } from '../support/flow-server.ts';

type AnyTtl = (ctx: unknown, token: object, client?: object) => number;
const ttl = lifetimesFor(LIFETIMES) as unknown as Record<string, AnyTtl>;
const client = (accessTokenLifetime?: number) => ({ [POLICY_MEMBER]: { accessTokenLifetime } });
const of = (name: string, token: object, as: object = client()) => ttl[name]!(undefined, token, as);

describe('an access token lives as long as the shortest wish', () => {
  test.each([
    [undefined, undefined, 900],
    [60, undefined, 60],
    [undefined, 120, 120],
    [60, 120, 60],
    [120, 60, 60],
    [3600, 7200, 900],
  ])('resource server %s, client %s: %s', (accessTokenTTL, lifetime, expected) => {
    const token = { resourceServer: accessTokenTTL === undefined ? undefined : { accessTokenTTL } };
    expect(of('AccessToken', token, client(lifetime))).toBe(expected);
    expect(of('ClientCredentials', token, client(lifetime))).toBe(expected);
  });
});

test('S-060 a refresh token slides up to the absolute end of its family', () => {
  const aged = (days: number) => ({ iiat: 1, totalLifetime: () => days * 86_400 });
  expect(of('RefreshToken', {})).toBe(30 * 86_400);
  expect(of('RefreshToken', aged(0))).toBe(30 * 86_400);
  expect(of('RefreshToken', aged(59))).toBe(30 * 86_400);
  expect(of('RefreshToken', aged(80))).toBe(10 * 86_400);
  expect(of('RefreshToken', aged(95))).toBe(1);
});

test('S-152 a session ends a fixed time after the sign-in', () => {
  expect(of('Session', { loginTs: epochTime() - 86_400 })).toBe(13 * 86_400);
  expect(of('Session', { loginTs: epochTime() - 20 * 86_400 })).toBe(1);
  expect(of('Session', {})).toBe(LIFETIMES.interaction);
});

test('a grant outlives everything that may be issued under it', () => {
  expect(grantLifetime(LIFETIMES)).toBeGreaterThan(LIFETIMES.session + LIFETIMES.refreshTokenAbsolute);
});

test('S-152 a shortened setting holds for sessions that are stored with a later end', async () => {
  const stored = { loginTs: epochTime() - 100, exp: epochTime() + 86_400, accountId: 'a' };
  const sessions = { find: async () => stored, findByUid: async () => stored };
  const within = endingAfter(sessions as never, 200);
  expect(await within.find('x')).toEqual({ ...stored, exp: stored.loginTs + 200 });
  const past = endingAfter(sessions as never, 50);
  expect([await past.find('x'), await past.findByUid('x')]).toEqual([undefined, undefined]);
  expect(await endingAfter(sessions as never, 1e6).find('x')).toEqual(stored);
});

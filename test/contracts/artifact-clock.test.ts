import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ArtifactStore, createArtifactStore } from '../../src/provider/adapter.ts';
import { createArtifactClock } from '../../src/provider/artifact-clock.ts';
import type { AdapterPayload } from '../../src/provider/engine.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { ACCOUNT, MODELS, newValue, now, payloadFor, put, storeGrant } from './artifacts.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** Those that are switched off, and a mark, which is never read, have no times to hand over. */
const TIMED = MODELS.filter(
  (model) => !['ReplayDetection', 'DeviceCode', 'BackchannelAuthenticationRequest'].includes(model),
);

/** Every time that the engine keeps in one kind of artifact or another, seen from a clock that is `ahead` seconds fast. */
function timed(model: string, value: string, ahead: number): AdapterPayload {
  const here = now() + ahead;
  const login = { accountId: ACCOUNT, ts: here - 5, remember: true };
  return {
    ...payloadFor(model, value),
    iat: here,
    exp: here + 60,
    ...(model === 'Session' && { uid: `uid of ${value}`, accountId: ACCOUNT, loginTs: here - 90 }),
    ...(model === 'Interaction' && { result: { login }, lastSubmission: { login, consent: {} } }),
    ...(model === 'AuthorizationCode' && { authTime: here - 90 }),
    ...(model === 'RefreshToken' && { authTime: here - 90, iiat: here - 80 }),
    ...(model === 'PushedAuthorizationRequest' && { request: pushed({ iat: here, nbf: here, exp: here + 60 }) }),
  } as AdapterPayload;
}

/** As the engine keeps parameters that were pushed without a signature. */
function pushed(times: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ scope: 'openid', state: '한국어', ...times })}.`;
}

describe.each([
  ['five minutes fast', 300],
  ['five minutes slow', -300],
])('a node whose clock is %s', (_name, ahead) => {
  let off: ArtifactStore;
  let right: ArtifactStore;
  beforeAll(() => {
    const options = { pool: database.pool, refreshSuccessorKey: randomBytes(32), refreshGrace: 10 };
    off = createArtifactStore({ ...options, clockAhead: () => ahead });
    right = createArtifactStore({ ...options, clockAhead: () => 0 });
  });

  test.each(TIMED)('hands a %s over to another node, and takes one, with as long to live', async (model) => {
    const [theirs, ours] = [newValue(), newValue()];
    const grant = ['AuthorizationCode', 'RefreshToken', 'AccessToken'].includes(model)
      ? { grantId: await storeGrant(right) }
      : {};
    const made = { ...timed(model, theirs, ahead), ...grant };
    await put(off, model, theirs, structuredClone(made), 60);
    expect(await off.adapterFor(model).find(theirs)).toEqual(made);
    expect(moved(await right.adapterFor(model).find(theirs), ahead)).toEqual(made);

    const taken = { ...timed(model, ours, 0), ...grant };
    await put(right, model, ours, structuredClone(taken), 60);
    expect(moved(await off.adapterFor(model).find(ours), -ahead)).toEqual(taken);
  });

  test('hands a session over that is looked for by the name that tokens have for it', async () => {
    const value = newValue();
    const { jti, ...made } = timed('Session', value, ahead);
    await off.adapterFor('Session').upsert(value, structuredClone({ ...made, jti }), 60);
    expect(moved(await right.adapterFor('Session').findByUid(`uid of ${value}`), ahead)).toEqual(made);
    expect(await off.adapterFor('Session').findByUid(`uid of ${value}`)).toEqual(made);
  });
});

/** Everything that looks like a time of today, `by` seconds later. */
function moved(value: unknown, by: number): unknown {
  if (typeof value === 'number') return Math.abs(value - now()) < 10_000 ? value + by : value;
  if (typeof value === 'string') {
    const claims = /^[\w-]+\.([\w-]+)\.$/.exec(value)?.[1];
    return claims ? pushed(moved(JSON.parse(String(Buffer.from(claims, 'base64url'))), by) as object) : value;
  }
  if (Array.isArray(value)) return value.map((one) => moved(one, by));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, moved(one, by)]));
}

test('the client’s own signed request keeps its times: they are not those of a node', () => {
  const clock = createArtifactClock(() => 300);
  const request = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from('{"exp":1}').toString('base64url')}.c2ln`;
  expect(clock.stored({ exp: 1_000, request } as AdapterPayload)).toEqual({ exp: 700, request });
});

test.each([3_600, -3_600, 1e9])(
  'a database that is %i s behind at once is another one: what the one before was given lives as long as was meant',
  (ahead) => {
    let measured = 0;
    const clock = createArtifactClock(() => measured);
    const stored = clock.stored({ exp: 10_000 });
    measured = ahead;
    expect(clock.here(stored)).toEqual({ exp: 10_000 });
    expect(clock.here(clock.stored({ exp: 20_000 }))).toEqual({ exp: 20_000 });
    measured = 300;
    expect(clock.stored({ exp: 10_000 })).toEqual({ exp: 9_700 });
  },
);

test('what lies within the accuracy of the measurement is no difference, and one that is known does not tremble', () => {
  let measured = 3;
  const clock = createArtifactClock(() => measured);
  const end = () => clock.stored({ exp: 10_000 }).exp;
  expect(end()).toBe(10_000);
  measured = 300.4;
  expect(end()).toBe(9_700);
  for (measured of [299, 303.9, 296.2]) expect(end()).toBe(9_700);
  measured = 4.2;
  expect(end()).toBe(10_000);
  for (measured of [4.9, -4.9]) expect(end()).toBe(10_000);
  measured = Number.NaN;
  expect(end()).toBe(10_000);
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAudit } from '../../src/audit/audit.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createUpstreamSignIns, type UpstreamSignIns } from '../../src/upstreams/sign-ins.ts';
import { createUpstreams } from '../../src/upstreams/upstreams.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import type { CallbackFault } from '../support/fake-upstream-faults.ts';
import { outbound } from './attempts.ts';

const ISSUER = 'https://id.example';
const PERSON = { subject: '80351110224678912', email: 'who@mail.example', verified: true, name: 'Who' };

let database: TestDatabase;
let fakes: FakeUpstream;
let signIns: UpstreamSignIns;
let close: () => Promise<void>;
beforeAll(async () => {
  [database, fakes] = await Promise.all([openTestDatabase(), startFakeUpstream()]);
  fakes.register(ISSUER);
  const { google, discord } = fakes;
  const credentialsOf = ({ clientId, clientSecret }: typeof discord | typeof google) => ({ clientId, clientSecret });
  const upstreams = await createUpstreams({
    providers,
    settings: {
      google: { ...credentialsOf(google), settings: {} },
      discord: { ...credentialsOf(discord), settings: {} },
    },
    keepsTokens: false,
    fetch: outbound,
    standInAt: fakes.origin,
  });
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  const callbackUrl = (provider: string) => `${ISSUER}/callback/${provider}`;
  signIns = createUpstreamSignIns({ pool: database.pool, upstreams, audit, callbackUrl });
  close = () => audit.close();
});
afterAll(async () => {
  await close?.();
  await fakes?.close();
  await database?.close();
});

describe.each(['google', 'discord'] as const)('S-095 %s sends the browser back', (provider) => {
  const journey = { provider, interaction: 'i-1', browser: 'b-1' };
  beforeEach(() => {
    fakes[provider].reset();
    fakes[provider].people = [PERSON];
  });

  async function comeBack(): Promise<URLSearchParams> {
    const begun = await signIns.begin({ ...journey, request: { freshSignIn: false } });
    if (begun.kind !== 'redirect') throw new Error(begun.kind);
    const back = await fakes[provider].decide(begun.url);
    expect(back.href).toMatch(`${ISSUER}/callback/${provider}?`);
    fakes[provider].requests.length = 0;
    return back.searchParams;
  }

  test('with the state as it was given', async () => {
    const response = await comeBack();
    expect(await signIns.interactionOf(provider, response.get('state')!)).toBe('i-1');
    expect(await signIns.finish({ ...journey, response }, {})).toMatchObject({
      kind: 'identified',
      identity: { provider, subject: PERSON.subject },
    });
  });

  test.each<CallbackFault>(['state_lost', 'state_altered', 'state_empty'])(
    '%s: no interaction is found by it, the code goes nowhere, and the right one still works',
    async (fault) => {
      const response = await comeBack();
      fakes[provider].callbackFault = fault;
      const spoilt = await comeBack();
      expect(await signIns.interactionOf(provider, spoilt.get('state') ?? '')).toBeUndefined();
      expect(await signIns.finish({ ...journey, response: spoilt }, {})).toEqual({ kind: 'foreign' });
      expect(fakes[provider].requests).toEqual([]);
      expect(await signIns.finish({ ...journey, response }, {})).toMatchObject({ kind: 'identified' });
    },
  );

  test('state_repeated: nobody is signed in and the code goes nowhere', async () => {
    fakes[provider].callbackFault = 'state_repeated';
    const response = await comeBack();
    expect(await signIns.finish({ ...journey, response }, {})).toMatchObject({
      kind: 'failed',
      reason: 'invalid_response',
    });
    expect(fakes[provider].requests).toEqual([]);
  });
});

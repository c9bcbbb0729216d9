import { describe, expect, test } from '@jest/globals';
import type { TransportFault } from '../support/fake-upstream-faults.ts';
import { attempt, signIn } from './attempts.ts';
import type { Ground } from './contract.ts';

/** Upstreams that are not well. */
export function describeOutages(ground: Ground): void {
  const { under } = ground;

  describe('S-108 an upstream that is not well', () => {
    const wellKnown: [TransportFault, reason: string][] = [
      ['reset', 'unavailable'],
      ['status_500', 'unavailable'],
      ['status_503', 'unavailable'],
      ['status_429', 'unavailable'],
      ['status_429_global', 'unavailable'],
      ['status_403', 'refused'],
      ['status_400', 'refused'],
      ['status_401', 'refused'],
      ['huge', 'invalid_response'],
      ['broken_json', 'invalid_response'],
      ['json_array', 'invalid_response'],
      ['wrong_type', 'invalid_response'],
      ['redirect', 'invalid_response'],
    ];
    const cases = under.endpoints.flatMap((at) => wellKnown.map(([fault, reason]) => [at, fault, reason] as const));

    test.each(cases)('at %s: %s is %s', async (at, fault, reason) => {
      under.needProfile?.(ground.upstreams);
      ground.fake.faults = { [at]: fault };
      const outcome = await signIn(ground.upstream, ground.fake);
      expect(outcome).toEqual({ kind: 'failed', reason, problem: expect.any(String) });
      expect(JSON.stringify(outcome)).not.toMatch(/<|Bad|Unauthorized/);
      ground.fake.faults = {};
      expect(await signIn(ground.upstream, ground.fake)).toMatchObject({ kind: 'identified' });
    });

    test.each(under.endpoints.flatMap((at) => (['hang', 'drip'] as const).map((fault) => [at, fault] as const)))(
      'at %s: %s lasts until the deadline of the whole sign-in and no longer',
      async (at, fault) => {
        under.needProfile?.(ground.upstreams);
        const end = new AbortController();
        const impatient = await ground.create({ breaker: { deadline: () => end.signal } });
        ground.fake.faults = { [at]: fault };
        const seen = ground.fake.nextRequest(at);
        const finished = signIn(impatient, ground.fake);
        await seen;
        end.abort();
        expect(await finished).toMatchObject({ kind: 'failed', reason: 'timeout' });
      },
    );

    test('is left alone after five failures in a row, and tried again by one sign-in later', async () => {
      const patient = await ground.create({ breaker: { pause: 60_000 } });
      ground.fake.faults = { token: 'status_503' };
      for (let count = 0; count < 5; count++) await signIn(patient, ground.fake);
      const asked = () => ground.fake.requests.filter(({ method }) => method === 'POST').length;
      expect(asked()).toBe(5);
      ground.fake.faults = {};
      expect(await signIn(patient, ground.fake)).toMatchObject({ kind: 'failed', reason: 'unavailable' });
      expect(asked()).toBe(5);
    });

    test('is not given up for codes that are wrong: a stranger cannot close the door for everybody', async () => {
      for (let count = 0; count < 10; count++) {
        const response = new URLSearchParams({ code: 'made-up' });
        expect(await ground.upstream.finish(response, attempt())).toMatchObject({ kind: 'failed', reason: 'refused' });
      }
      expect(await signIn(ground.upstream, ground.fake)).toMatchObject({ kind: 'identified' });
    });
  });
}

import { describe, expect, test } from '@jest/globals';
import type { CallbackFault } from '../support/fake-upstream-faults.ts';
import { attempt, callbackOf, signIn } from './attempts.ts';
import type { Ground } from './contract.ts';

/** What the browser can bring: errors, issuers, codes. */
export function describeResponses(ground: Ground): void {
  const { under } = ground;

  describe('S-106 errors in the callback are answered by codes of ours, and nobody is asked', () => {
    test.each<[query: string, outcome: object]>([
      ['error=access_denied', { kind: 'denied' }],
      ['error=access_denied&error_description=%3Cscript%3E&code=c', { kind: 'denied' }],
      ['error=server_error', { kind: 'failed', reason: 'unavailable', problem: 'callback: server_error' }],
      ['error=temporarily_unavailable', { kind: 'failed', reason: 'unavailable', problem: expect.any(String) }],
      [
        'error=invalid_scope&error_description=%3Cscript%3E',
        { kind: 'failed', reason: 'refused', problem: 'callback: invalid_scope' },
      ],
      ['error=%3Cscript%3E', { kind: 'failed', reason: 'refused', problem: 'callback: error' }],
      ['error=', { kind: 'failed', reason: 'refused', problem: 'callback: error' }],
      [
        'error=access_denied&error=server_error',
        { kind: 'failed', reason: 'invalid_response', problem: expect.any(String) },
      ],
      ['', { kind: 'failed', reason: 'invalid_response', problem: 'callback: no code' }],
      ['code=', { kind: 'failed', reason: 'invalid_response', problem: 'callback: no code' }],
      ['code=one&code=two', { kind: 'failed', reason: 'invalid_response', problem: expect.any(String) }],
      [`code=${'c'.repeat(3000)}`, { kind: 'failed', reason: 'invalid_response', problem: 'callback: no code' }],
    ])('%s', async (query, outcome) => {
      expect(await ground.upstream.finish(new URLSearchParams(query), attempt())).toEqual(outcome);
      expect(ground.fake.requests).toEqual([]);
    });
  });

  describe('S-096 the issuer of the response (RFC 9207)', () => {
    test('may be left out, and is compared where it is sent', async () => {
      ground.fake.issuer = undefined;
      expect(await signIn(ground.upstream, ground.fake)).toMatchObject({ kind: 'identified' });
      ground.fake.issuer = under.issuer;
      expect(await signIn(ground.upstream, ground.fake)).toMatchObject({ kind: 'identified' });
    });

    test.each(['another provider', 'https://evil.example', '', `${'x'.repeat(10)}`])(
      '%j instead of the right one ends it before any code is sent anywhere',
      async (issuer) => {
        ground.fake.issuer = issuer === 'another provider' ? under.foreignIssuer : issuer;
        const journey = attempt();
        const response = await callbackOf(ground.upstream, ground.fake, journey);
        ground.fake.requests.length = 0;
        expect(await ground.upstream.finish(response, journey)).toMatchObject({
          kind: 'failed',
          reason: 'wrong_issuer',
        });
        expect(ground.fake.requests).toEqual([]);
      },
    );

    test('an error of another issuer is not taken for a cancelled sign-in', async () => {
      const response = new URLSearchParams({ error: 'access_denied', iss: under.foreignIssuer });
      expect(await ground.upstream.finish(response, attempt())).toMatchObject({
        kind: 'failed',
        reason: 'wrong_issuer',
      });
    });
  });

  describe('S-095 codes', () => {
    test('of another attempt are worth nothing here: its verifier does not fit', async () => {
      const victim = attempt();
      const response = await callbackOf(ground.upstream, ground.fake, attempt());
      expect(await ground.upstream.finish(response, victim)).toMatchObject({ kind: 'failed', reason: 'refused' });
    });

    test('work once', async () => {
      const journey = attempt();
      const response = await callbackOf(ground.upstream, ground.fake, journey);
      expect(await ground.upstream.finish(response, journey)).toMatchObject({ kind: 'identified' });
      expect(await ground.upstream.finish(response, journey)).toEqual({
        kind: 'failed',
        reason: 'refused',
        problem: expect.stringContaining('invalid_grant'),
      });
    });

    test('are bound to the address that they were sent to', async () => {
      const journey = attempt();
      const response = await callbackOf(ground.upstream, ground.fake, journey);
      const elsewhere = { ...journey, redirectUri: 'https://evil.example/callback' };
      expect(await ground.upstream.finish(response, elsewhere)).toMatchObject({ kind: 'failed', reason: 'refused' });
    });

    test('are refused to another client', async () => {
      const journey = attempt();
      const response = await callbackOf(ground.upstream, ground.fake, journey);
      const other = await ground.create({ clientId: 'another-client' });
      expect(await other.finish(response, journey)).toMatchObject({ kind: 'failed', reason: 'refused' });
    });

    test.each<[fault: CallbackFault, problem: string]>([
      ['code_lost', 'callback: no code'],
      ['code_repeated', 'callback: a parameter twice'],
    ])('%s on the way back: nobody is asked', async (callbackFault, problem) => {
      ground.fake.callbackFault = callbackFault;
      const journey = attempt();
      const response = await callbackOf(ground.upstream, ground.fake, journey);
      ground.fake.requests.length = 0;
      expect(await ground.upstream.finish(response, journey)).toEqual({
        kind: 'failed',
        reason: 'invalid_response',
        problem,
      });
      expect(ground.fake.requests).toEqual([]);
    });

    test('are refused to a client with another secret, and the log is told why', async () => {
      expect(await signIn(await ground.create({ clientSecret: 'wrong' }), ground.fake)).toEqual({
        kind: 'failed',
        reason: 'refused',
        problem: expect.stringMatching(/token answered 401 invalid_client$/),
      });
    });
  });
}

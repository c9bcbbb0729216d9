import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { attempt, callbackOf, REDIRECT_URI, signIn } from './attempts.ts';
import type { Ground } from './contract.ts';

/** The way there and back, when everything is well. */
export function describeJourneys(ground: Ground): void {
  const { under } = ground;

  describe('the way there', () => {
    test('S-095 S-099 carries state, PKCE by S256 and the least scopes, asks nobody and gives no secret away', async () => {
      const journey = attempt();
      const url = new URL(await ground.upstream.begin(journey));
      expect(`${url.origin}${url.pathname}`).toBe((ground.fake.endpoints as { authorization: string }).authorization);
      const sent = Object.fromEntries(url.searchParams);
      expect(sent).toMatchObject({
        response_type: 'code',
        client_id: ground.fake.clientId,
        redirect_uri: REDIRECT_URI,
        state: journey.state,
        code_challenge: createHash('sha256').update(journey.codeVerifier).digest('base64url'),
        code_challenge_method: 'S256',
      });
      expect(sent.scope!.split(' ').toSorted()).toEqual(under.scopes.toSorted());
      expect(url.href).not.toContain(ground.fake.clientSecret);
      expect(url.href).not.toContain(journey.codeVerifier);
      expect(ground.fake.requests).toEqual([]);
    });

    test('does not become longer or shorter by what another journey asked for', async () => {
      const plain = attempt();
      const before = await ground.upstream.begin(plain);
      await ground.upstream.begin(
        attempt({ freshSignIn: true, maxAge: 60, loginHint: 'a@b.example', uiLocales: ['ko'] }),
      );
      expect(await ground.upstream.begin(plain)).toBe(before);
    });
  });

  describe('the way back', () => {
    test('S-093 says who it is, by the provider and the subject there', async () => {
      const outcome = await signIn(ground.upstream, ground.fake);
      expect(outcome).toMatchObject({
        kind: 'identified',
        identity: { provider: under.provider, subject: under.person.subject },
      });
    });

    test('S-099 tokens are not handed out unless they are to be kept', async () => {
      expect(await signIn(ground.upstream, ground.fake)).not.toHaveProperty('tokens');
      ground.fake.reset();
      ground.fake.people = [under.person];
      const now = Date.now() / 1000;
      const outcome = await signIn(await ground.create({ keepsTokens: true }), ground.fake);
      const tokens = outcome.kind === 'identified' ? outcome.tokens : undefined;
      expect(tokens).toEqual({
        accessToken: expect.any(String),
        refreshToken: expect.any(String),
        scope: expect.stringMatching(/\bemail\b/),
        expiresAt: expect.any(Number),
      });
      expect(tokens!.expiresAt).toBeGreaterThan(now + 3_000);
    });

    test('many at once are told apart', async () => {
      const numbers = Array.from({ length: 20 }, (_, index) => String(BigInt('80351110224678912') + BigInt(index)));
      ground.fake.people = numbers.map((subject) => ({ ...under.person, subject }));
      const outcomes = await Promise.all(numbers.map((as) => signIn(ground.upstream, ground.fake, { as })));
      expect(outcomes.map((outcome) => outcome.kind === 'identified' && outcome.identity.subject)).toEqual(numbers);
    });

    test('access tokens and the client secret travel in headers and bodies, never in an address', async () => {
      under.needProfile?.(ground.upstreams);
      await signIn(ground.upstream, ground.fake);
      const { requests } = ground.fake;
      expect(requests.map(({ url }) => url).filter((url) => /token=|secret=/.test(url))).toEqual([]);
      const asked = requests.filter(({ headers }) => headers.authorization !== undefined);
      expect(asked).toHaveLength(1);
      expect(asked[0]!.headers['user-agent']).toMatch(/^Daemun/);
    });

    test('who agreed before comes back again, whatever the provider asks or gives the second time', async () => {
      const keeping = await ground.create({ keepsTokens: true });
      for (const freshSignIn of [false, false, true]) {
        expect(await signIn(keeping, ground.fake, { freshSignIn })).toMatchObject({
          kind: 'identified',
          tokens: { accessToken: expect.any(String), expiresAt: expect.any(Number) },
        });
      }
    });

    test('cancelling there is no failure', async () => {
      const journey = attempt();
      const response = await callbackOf(ground.upstream, ground.fake, journey, { deny: true });
      expect(response.get('error')).toBe('access_denied');
      expect(await ground.upstream.finish(response, journey)).toEqual({ kind: 'denied' });
    });
  });
}

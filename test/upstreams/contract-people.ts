import { describe, expect, test } from '@jest/globals';
import { identityOf } from './attempts.ts';
import type { Ground } from './contract.ts';

/** What is told of a person. */
export function describePeople(ground: Ground): void {
  const { under } = ground;

  describe('S-111 an address is verified only where it is flagged so', () => {
    test.each<[flag: unknown, verified: boolean]>([
      [true, true],
      [false, false],
      ['true', false],
      ['1', false],
      [1, false],
      [null, false],
      [{}, false],
      [undefined, false],
    ])('flag %j: %j', async (verified, expected) => {
      const identity = await identityOf(ground.upstream, ground.fake, {
        ...under.person,
        email: 'who@mail.example',
        verified,
      });
      expect(identity.email).toEqual({ address: 'who@mail.example', verified: expected });
    });

    test.each([null, undefined, '', 'no address', 'two@signs@mail.example', 'nul\u0000@mail.example', 42])(
      '%j is no address',
      async (email) => {
        const identity = await identityOf(ground.upstream, ground.fake, {
          ...under.person,
          email: email as string,
          verified: true,
        });
        expect(identity).not.toHaveProperty('email');
      },
    );
  });

  describe('what the provider says of a person is taken only in its form', () => {
    test.each<[member: string, told: object, expected: unknown]>([
      ['name', { name: '김다은 🙂' }, '김다은 🙂'],
      ['name', { name: '  spaced  ' }, 'spaced'],
      ['locale', { locale: 'ko' }, 'ko'],
      ['locale', { locale: 'en_us' }, 'en-US'],
      ['locale', { locale: 'not a locale' }, undefined],
      ['locale', { locale: '../etc' }, undefined],
    ])('%s of %j', async (member, told, expected) => {
      const identity = await identityOf(ground.upstream, ground.fake, { ...under.person, ...told });
      expect((identity as unknown as Record<string, unknown>)[member]).toEqual(expected);
    });

    test.each(['two\nlines', 'nul\u0000', 'x'.repeat(300), '\ud800'])('name %j is not taken', async (name) => {
      const identity = await identityOf(ground.upstream, ground.fake, { ...under.person, name });
      expect(identity.name).not.toBe(name);
    });
  });
}

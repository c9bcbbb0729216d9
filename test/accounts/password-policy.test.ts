import { describe, expect, test } from '@jest/globals';
import { createPasswordPolicy } from '../../src/accounts/password-policy.ts';

const policy = createPasswordPolicy({ minimumLength: 15, serviceName: 'Maru Sign-in' });
const owner = { userName: 'adalovelace', email: 'countess@analytical-engine.example', name: 'Ada King Lovelace' };

describe('S-113 S-114 S-117 a password is refused with the reason', () => {
  test.each([
    ['nothing', '', 'missing'],
    ['14 characters', 'violet harbour', 'too-short'],
    ['14 emoji, which are 56 bytes', '🦊'.repeat(14), 'too-short'],
    ['257 characters', 'ab cd '.repeat(43).slice(0, 257), 'too-long'],
    ['half a character', `violet harbour \ud800 walks`, 'invalid'],
    ['a common one of that length', 'q1w2e3r4t5y6u7i8', 'common'],
    ['the same in capitals', 'Q1W2E3R4T5Y6U7I8', 'common'],
    ['a common one twice', 'passwordPassword', 'common'],
    ['a common one again and again, the last cut short', 'dragondragondra', 'common'],
    ['two common ones in a row', 'footballbaseball', 'common'],
    ['a common one made long by digits', 'sunshine123456789', 'common'],
    ['one character', 'aaaaaaaaaaaaaaaaaaaa', 'common'],
    ['three characters', 'xq!xq!xq!xq!xq!', 'common'],
    ['the alphabet', 'abcdefghijklmnop', 'common'],
    ['the alphabet backwards', 'zyxwvutsrqponmlk', 'common'],
    ['the digits', '123456789012345', 'common'],
    ['a walk over the keyboard', 'qwertyuiopasdfgh', 'common'],
    ['the address', 'Countess@Analytical-Engine.example', 'personal'],
    ['the user name and digits', 'adalovelace123456', 'personal'],
    ['the user name twice', 'adalovelaceAdaLovelace', 'personal'],
    ['the name without spaces', 'AdaKingLovelace', 'personal'],
    ['the name with spaces', 'ada king lovelace', 'personal'],
    ['the service twice', 'MaruSign-inMaruSign-in', 'personal'],
    ['the service and the user name', 'maru sign-inadalovelace', 'personal'],
  ])('because it is %s', async (_case, password, reason) => {
    expect(await policy.check(password, owner)).toMatchObject({ field: 'password', reason });
  });
});

describe('S-115 S-116 a password is accepted', () => {
  test.each([
    ['15 lower-case letters', 'vrqkmplbtzwxjcn'],
    ['a few words', 'violet harbour walks slowly'],
    ['only digits that are no walk', '840296173550284'],
    ['Korean words', '보라색 항구가 천천히 걷는 저녁'],
    ['15 emoji', [...'🦊🐙🌵🍋🚲🎻🪁🧭🫖🪵🦔🐚🌋🍄🛶'].join('')],
    ['every printable ASCII character', Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).join('')],
    ['256 characters of four bytes', [...'🦊🐙🌵🍋🚲🎻🪁🧭'.repeat(31), ...'🪵🦔🐚🌋🍄🛶🫖🎹'].join('')],
    ['a name inside a longer one', 'my friend adalovelace plays the harp'],
    ['a common word inside a longer one', 'password of the violet harbour'],
    ['a NUL inside', 'violet\0harbour walks'],
  ])('of %s', async (_case, password) => {
    expect(await policy.check(password, owner)).toBeUndefined();
  });
});

test('S-115 the same characters in another normal form have the same length', async () => {
  const composed = `${'\u00e9'.repeat(3)}harbourwalks`;
  expect([...composed.normalize('NFD')]).toHaveLength(18);
  expect(await policy.check(composed.normalize('NFD'), {})).toEqual(await policy.check(composed, {}));
  expect(await policy.check(composed.slice(1).normalize('NFD'), {})).toMatchObject({ reason: 'too-short', count: 15 });
});

test('S-113 the minimum is configurable, and the reason carries it', async () => {
  const shorter = createPasswordPolicy({ minimumLength: 8, serviceName: 'Daemun' });
  expect(await shorter.check('vrqkmpl', {})).toMatchObject({ reason: 'too-short', count: 8 });
  expect(await shorter.check('vrqkmplb', {})).toBeUndefined();
});

test('S-117 the block list has more than 3,000 passwords of the length that the policy asks for', async () => {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  const words = (dictionary['passwords-common'] as string[]).filter((word) => /^[a-z]{8,}$/.test(word)).slice(0, 60);
  const pairs = words.flatMap((first) => words.map((second) => first + second));
  const refused = await Promise.all(pairs.map((pair) => policy.check(pair, {})));
  expect(refused.filter((problem) => problem?.reason === 'common').length).toBeGreaterThan(3_000);
});

test('a long password made to be slow is judged at once', async () => {
  expect(await policy.check(`${'a'.repeat(255)}b`, owner)).toBeUndefined();
});

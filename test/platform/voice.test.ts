import { expect, test } from '@jest/globals';
import { createVoice } from '../../src/platform/voice.ts';

const inWords = createVoice(false);
const inJson = createVoice(true);

test('a name that is not found is not taken for the address in HOST, unless it was listened at', () => {
  const lookUp = { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: 'mail.example.com' };
  const error = Object.assign(new Error('getaddrinfo ENOTFOUND mail.example.com'), lookUp);
  expect(inWords.fail(error)).toMatch(/^Error: getaddrinfo ENOTFOUND mail\.example\.com\n +at /);
  expect(JSON.parse(inJson.fail(error))).toMatchObject({
    error: { code: 'ENOTFOUND', message: error.message },
    msg: `A defect ended the service: ${error.message}`,
  });
  expect(inWords.fail(Object.assign(error, { portVariable: 'PORT' }))).toBe(
    'Cannot listen on the address in HOST (ENOTFOUND). Check HOST.',
  );
});

const circular = new Error('round');
circular.cause = circular;

test.each([
  ['nothing', null],
  ['a symbol', Symbol('round')],
  ['an object without a prototype', Object.create(null)],
  ['a text of several lines', 'one\ntwo'],
  ['an error that is its own cause', circular],
])('whatever was thrown, it is said, in production by one line: %s', (_what, thrown) => {
  expect(inWords.fail(thrown)).not.toBe('');
  const line = inJson.fail(thrown);
  expect(line).not.toContain('\n');
  expect(JSON.parse(line)).toMatchObject({
    level: 'fatal',
    msg: expect.stringContaining('A defect ended the service'),
  });
});

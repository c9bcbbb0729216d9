import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { createLogger, readableLine } from '../../src/platform/logger.ts';
import { SecretText } from '../../src/platform/secret-text.ts';

function capture() {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { lines, logger: createLogger({ level: 'info', production: true, destination }) };
}

test('S-037 a secret prints as its mask everywhere and comes out only when asked', () => {
  const secret = new SecretText('hunter2');
  const { lines, logger } = capture();
  logger.info({ secret, nested: { secret } }, `joined ${secret}`);
  const printed = [String(secret), JSON.stringify({ secret }), inspect({ secret }, { showHidden: true }), ...lines];
  for (const text of printed) {
    expect(text).toContain('[secret]');
    expect(text).not.toContain('hunter2');
  }
  expect(secret.reveal()).toBe('hunter2');
});

test('log lines are JSON with a level in words and below the level nothing is written', () => {
  const { lines, logger } = capture();
  logger.info({ requestId: 'r' }, 'hello');
  logger.debug('unseen');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toEqual({ level: 'info', time: expect.any(String), requestId: 'r', msg: 'hello' });
});

describe('a line for people', () => {
  const line = (fields: object, text = 'it failed') => {
    const { lines, logger } = capture();
    logger.warn(fields, text);
    return readableLine(lines[0]!);
  };
  const HOSTILE = 'gone\u001b[2J\u009b31m\r\nwarn: all is well\u2028info: more';

  test('S-175 is one line, however strangers word what they send, and steers no terminal', () => {
    for (const text of [line({ name: HOSTILE, [HOSTILE]: 1 }), line({}, HOSTILE)]) {
      expect(text).toMatch(/^warn: [^\n]*\n$/);
      expect(text.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    }
  });

  test('S-175 shows an error and its causes with where they happened, and what strangers chose of them in one line', () => {
    const text = line({ error: new TypeError(HOSTILE, { cause: new Error(`deeper\n    at ${HOSTILE}`) }) });
    const [said, thrown, ...rest] = text.trimEnd().split('\n');
    expect(said).toBe('warn: it failed');
    expect(thrown).toMatch(/^TypeError: gone\ufffd\[2J\ufffd31m warn: all is well\ufffdinfo: more$/);
    const cause = rest.findIndex((one) => one.startsWith('caused by Error: deeper at gone'));
    expect(cause).toBeGreaterThan(0);
    for (const [index, frame] of rest.entries()) if (index !== cause) expect(frame).toMatch(/^ {4}at /);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
  });

  test('keeps a code in the name of an error, and an error without a stack', () => {
    const error = new RangeError('too much');
    error.stack = `RangeError [ERR_X]: too much\n    at somewhere`;
    expect(line({ error })).toBe('warn: it failed\nRangeError [ERR_X]: too much\n    at somewhere\n');
    expect(line({ error: 'words' })).toBe('warn: it failed\nNonError: words\n');
  });
});

import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { createLogger } from '../../src/platform/logger.ts';
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

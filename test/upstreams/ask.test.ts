import { expect, test } from '@jest/globals';
import type { Outbound } from '../../src/platform/http/outbound.ts';
import { askForJson } from '../../src/upstreams/ask.ts';

const answering = (status: number, headers: Record<string, string> = {}): Outbound => {
  const body = Buffer.from('{"message":"no"}');
  return async () => ({ status, headers: { 'content-type': 'application/json', ...headers }, body }) as never;
};

test.each<[string, number, Record<string, string>, boolean]>([
  ['an error of the server', 503, {}, true],
  ['a limit for one person', 429, {}, false],
  ['a limit for one person, in so many words', 429, { 'x-ratelimit-scope': 'user' }, false],
  ['a limit for everybody', 429, { 'x-ratelimit-global': 'true' }, true],
  ['a limit for everybody, in so many words', 429, { 'x-ratelimit-scope': 'global' }, true],
])('S-108 %s is told apart: whether the next person would fare the same', async (_, status, headers, isOutage) => {
  const asked = askForJson(answering(status, headers), 'https://upstream.example/users/@me', {});
  await expect(asked).rejects.toMatchObject({ reason: 'unavailable', isOutage });
});

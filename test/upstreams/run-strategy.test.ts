import { describe, expect, test } from '@jest/globals';
import { authorizationUrl, exchangeCode, type Strategy } from '../../src/upstreams/run-strategy.ts';
import { attempt } from './attempts.ts';

/** A strategy that reports whatever it is told to. */
function reporting(report: (strategy: Strategy) => void): Strategy {
  return {
    _oauth2: { _clientSecret: '', _request() {} },
    authenticate() {
      report(this as unknown as Strategy);
    },
  } as unknown as Strategy;
}

const fetch = async () => {
  throw new Error('nobody is asked here');
};
const exchange = (strategy: Strategy) =>
  exchangeCode(strategy, {
    code: 'c',
    attempt: attempt(),
    clientSecret: 's',
    fetch,
    signal: new AbortController().signal,
  }).then(
    (answer) => answer,
    ({ reason, problem }) => `${reason}: ${problem}`,
  );
const ANSWER = { tokens: { accessToken: 't' } };

describe('the first thing that a strategy reports is what counts', () => {
  test.each<[what: string, report: (strategy: Strategy) => void, result: unknown]>([
    ['success, then error', (s) => [s.success(ANSWER), s.error(new Error('late'))], ANSWER],
    [
      'error, then success',
      (s) => [s.error({ name: 'Early' }), s.success(ANSWER)],
      'invalid_response: unexpected Early',
    ],
    ['success twice', (s) => [s.success(ANSWER), s.success({ tokens: { accessToken: 'other' } })], ANSWER],
    ['fail, then success', (s) => [s.fail('no'), s.success(ANSWER)], 'invalid_response: state does not fit'],
    [
      'an exception',
      () => {
        throw new TypeError('broken');
      },
      'invalid_response: unexpected TypeError',
    ],
    ['an error of nothing', (s) => s.error(undefined), 'invalid_response: unexpected undefined'],
  ])('%s', async (_what, report, result) => {
    expect(await exchange(reporting(report))).toEqual(result);
  });
});

test('what one run sets is not seen by another', async () => {
  const seen: unknown[] = [];
  const strategy = reporting((s) => {
    seen.push(s.authorizationParams());
    s.redirect('https://there.example/');
  });
  await authorizationUrl(strategy, attempt(), { prompt: 'consent', hint: undefined });
  await authorizationUrl(strategy, attempt(), {});
  expect(seen).toEqual([
    { prompt: 'consent', code_challenge: expect.any(String), code_challenge_method: 'S256' },
    { code_challenge: expect.any(String), code_challenge_method: 'S256' },
  ]);
  expect(strategy).not.toHaveProperty('authorizationParams');
});

test('the client secret is with the strategy only while it is needed', async () => {
  const strategy = reporting((s) => s.error({ name: `secret ${s._oauth2._clientSecret}` }));
  expect(await exchange(strategy)).toBe('invalid_response: unexpected secret s');
  expect(strategy._oauth2._clientSecret).toBe('');
});

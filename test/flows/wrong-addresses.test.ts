import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { throughProxy } from '../support/flow-https.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const PROBLEM = 'application/problem+json';
const PAGE = 'text/html; charset=utf-8';

const PUBLISHED = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/.well-known/jwks.json',
];
const FOR_PEOPLE = ['/authorize', '/logout', '/logout/confirm', '/logout/success', '/nowhere', '/'];
const FOR_PROGRAMS = ['/token', '/userinfo', '/introspect', '/revoke', '/par'];

/** Each path, what the caller accepts, and what it gets. */
const ROWS = [
  ...[...PUBLISHED, ...FOR_PEOPLE].flatMap((path) => [
    [path, 'application/json', PROBLEM],
    [path, '*/*', PROBLEM],
    [path, BROWSER, PAGE],
  ]),
  ...FOR_PROGRAMS.flatMap((path) => [
    [path, 'application/json', PROBLEM],
    [path, '*/*', PROBLEM],
    [path, BROWSER, PROBLEM],
  ]),
] as [string, string, string][];

describe.each(['GET', 'POST'])('S-169 a %s under a host that is not ours', (method) => {
  test.each(ROWS)('to %s, accepting %s, is answered by 421 as %s', async (path, accept, type) => {
    const headers = { host: 'evil.example', accept };
    const answer = await throughProxy(flow, path, { method, headers });
    expect([answer.status, answer.headers['content-type']]).toEqual([421, type]);
    expect(answer.text).toContain('misdirected');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.text).not.toContain('evil');
  });
});

const UNKNOWN_PATHS = ['/nowhere', '/'];

describe('S-170 a method that is not meant for it', () => {
  test.each(ROWS.filter(([path]) => !UNKNOWN_PATHS.includes(path)))(
    'to %s, accepting %s, is answered by 405 as %s',
    async (path, accept, type) => {
      const answer = await throughProxy(flow, path, { method: 'PUT', headers: { accept }, body: 'x' });
      expect([answer.status, answer.headers['content-type']]).toEqual([405, type]);
      expect(answer.text).toContain('method_not_allowed');
      expect(answer.headers.allow).toMatch(/GET|POST/);
      expect(answer.headers.allow).not.toContain('PUT');
    },
  );
});

test.each(FOR_PROGRAMS)(
  'S-170 OPTIONS at %s without asking for a method is answered by a problem too',
  async (path) => {
    const answer = await throughProxy(flow, path, { method: 'OPTIONS', headers: {} });
    expect([answer.status, answer.headers['content-type']]).toEqual([404, PROBLEM]);
  },
);

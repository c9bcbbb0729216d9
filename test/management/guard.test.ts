import { describe, expect, test } from '@jest/globals';
import { createGuard } from '../../src/management/guard.ts';
import { createRateLimiter } from '../../src/platform/rate-limiter.ts';

const AT = { address: '192.0.2.1', requestId: 'request' };
const SPEC = {
  method: 'GET',
  path: '/me',
  tag: 'Me',
  summary: '',
  scopes: [],
  answer: { status: 200, description: '' },
} as const;

function guardWith({ requests = 100, failures = 100 }) {
  const causes: string[] = [];
  const guard = createGuard({
    issuer: 'https://id.example.com',
    csrf: { check: () => {} },
    limits: {
      apiRequests: createRateLimiter({ points: requests, seconds: 60 }),
      apiFailures: createRateLimiter({ points: failures, seconds: 60 }),
    },
    observations: {
      apiCallRefused: ({ cause }) => void causes.push(cause),
      apiKeyRefused: () => {},
    },
    async identify(ctx) {
      const { id } = ctx as unknown as { id?: string };
      if (id === undefined) return { kind: 'refused', cause: 'api_key' };
      const principal = { kind: 'user', id } as const;
      const scopes = new Set<string>();
      return { kind: 'known', caller: { via: 'api_key', principal, isAdministrator: false, scopes } };
    },
  });
  const ask = (id?: string, address = AT.address) =>
    guard({ state: {}, id } as never, SPEC, { ...AT, address }).then(
      () => 200,
      (error: { status: number; retryAfter?: number }) => [error.status, error.retryAfter],
    );
  return { ask, causes };
}

describe('limits', () => {
  test('count requests by their caller, wherever they come from, and nobody else’s', async () => {
    const { ask, causes } = guardWith({ requests: 2 });
    expect(await Promise.all([ask('ada'), ask('ada', '192.0.2.2')])).toEqual([200, 200]);
    expect(await ask('ada', '192.0.2.3')).toEqual([429, expect.any(Number)]);
    expect(await ask('grace')).toBe(200);
    expect(causes).toEqual(['too_many_requests']);
  });

  test('count credentials that do not hold by their address, and refuse nobody there whose credential holds', async () => {
    const { ask, causes } = guardWith({ failures: 2 });
    expect([await ask(), await ask(), await ask()]).toEqual([
      [401, undefined],
      [401, undefined],
      [429, expect.any(Number)],
    ]);
    expect([await ask('ada'), await ask(undefined, '192.0.2.9')]).toEqual([200, [401, undefined]]);
    expect(causes).toEqual(['api_key', 'api_key', 'too_many_requests', 'api_key']);
  });
});

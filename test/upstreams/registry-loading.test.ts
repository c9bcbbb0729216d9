import { expect, jest, test } from '@jest/globals';
import type { ProviderSettings } from '../../src/upstreams/provider.ts';

/** In the order in which they were loaded. Each has one home, which test/architecture.test.ts holds to. */
const loaded: string[] = [];

/** As much of it as is called when a provider is made. */
function watch(name: string, exported: object): void {
  jest.unstable_mockModule(name, () => {
    loaded.push(name);
    return exported;
  });
}

watch('passport-google-oauth20', { default: class {} });
watch('passport-discord', { default: class {} });
watch('cockatiel', {
  CircuitState: {},
  ConsecutiveBreaker: class {},
  DelegateBackoff: class {},
  circuitBreaker: () => ({}),
  handleWhen: () => ({}),
});

test('what only a provider needs is loaded once that provider is configured, and no other', async () => {
  await import('../../src/app.ts');
  await import('../../src/cli/main.ts');
  const { providers } = await import('../../src/upstreams/registry.ts');
  const { createUpstreams } = await import('../../src/upstreams/upstreams.ts');
  const fetch = () => Promise.reject(new Error('nobody is asked'));
  const create = (settings: Record<string, ProviderSettings>) =>
    createUpstreams({ providers, settings, keepsTokens: false, fetch });
  const client = { clientId: 'c', clientSecret: 's', settings: {} };

  expect(await create({})).toEqual([]);
  expect(loaded).toEqual([]);
  expect(await create({ discord: client })).toHaveLength(1);
  expect(loaded.toSorted()).toEqual(['cockatiel', 'passport-discord']);
  expect(await create({ google: client })).toHaveLength(1);
  expect(loaded.toSorted()).toEqual(['cockatiel', 'passport-discord', 'passport-google-oauth20']);
});

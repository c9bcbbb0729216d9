import { expect, test } from '@jest/globals';
import { createObservations } from '../../src/audit/observations.ts';
import { createMetrics } from '../../src/platform/metrics.ts';

test('S-175 what strangers cause is all counted, and logged up to so often, each kind for itself', async () => {
  const metrics = await createMetrics();
  const lines: [object, string][] = [];
  const observations = createObservations({
    metrics,
    providers: ['google'],
    logger: { info: (...line: [object, string]) => void lines.push(line) } as never,
  });
  const by = { address: '192.0.2.1', requestId: 'a-request' };
  for (let n = 0; n < 500; n++) {
    observations.verificationFailed({ proof: 'dpop_proof', cause: 'signature', clientId: `client\n${n}` }, by);
  }
  for (let n = 0; n < 500; n++) observations.requestRefused({ route: 'authorization', error: 'invalid_client' }, by);
  observations.permissionRefused({ status: 403, route: 'token' }, by);
  observations.upstreamAnswered({ provider: 'google' }, by);
  observations.signInBlocked({ limit: 'account' }, by);
  observations.keysLoaded({ version: 7, keys: [{ kid: 'a' }, { kid: 'b' }] });
  expect(lines.length).toBe(44);
  expect(lines[20]).toEqual([
    { ...by, details: { route: 'authorization', error: 'invalid_client' } },
    'request.refused',
  ]);
  expect(lines[0]).toEqual([
    { ...by, details: { proof: 'dpop_proof', cause: 'signature', clientId: 'client\u{fffd}0' } },
    'verification.failed',
  ]);
  expect(lines.slice(-4)).toEqual([
    [{ ...by, details: { status: 403, route: 'token' } }, 'permission.refused'],
    [{ ...by, details: { provider: 'google' } }, 'upstream.answered'],
    [{ ...by, details: { limit: 'account' } }, 'sign_in.blocked'],
    [{ details: { version: 7, kids: ['a', 'b'] } }, 'keys.loaded'],
  ]);
  const { text } = await metrics.exposition();
  for (const line of [
    'daemun_verifications_failed_total{proof="dpop_proof",cause="signature"} 500',
    'daemun_permissions_refused_total{status="403",route="token"} 1',
    'daemun_upstream_answers_total{provider="google"} 1',
    'daemun_key_sets_loaded_total 1',
    'daemun_sign_ins_blocked_total{limit="account"} 1',
    'daemun_sign_ins_blocked_total{limit="device"} 0',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});

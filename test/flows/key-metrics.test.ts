import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startWholeService, type WholeService } from '../support/whole-service.ts';

const TOKEN = 'a-token-for-the-scraper';

let whole: WholeService;
beforeAll(async () => {
  whole = await startWholeService({ DAEMUN_METRICS_TOKEN: TOKEN });
}, 240_000);
afterAll(() => whole.close(), 60_000);

async function figures(): Promise<string> {
  const answer = await fetch(whole.metricsUrl, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(answer.status).toBe(200);
  return answer.text();
}

test('figures about keys are told to the scraper, on its port only', async () => {
  const { keys, version } = await whole.services.keyStore.list();
  const text = await figures();
  for (const { kid, algorithm, state } of keys) {
    const labels = `{kid="${kid}",algorithm="${algorithm}",state="${state}"}`;
    expect(text).toContain(`daemun_signing_key_age_seconds${labels} `);
  }
  expect(text).toContain(`daemun_key_encryption_key_info{kek_id="${whole.services.keyEncryption.kekId}"} 1`);
  expect(text).toMatch(/^daemun_key_set_confirmed_seconds \d/m);
  expect(text).not.toMatch(/^daemun_key_warnings\{/m);
  expect(version).toBeGreaterThan(0);
  expect((await fetch(whole.metricsUrl)).status).toBe(401);
  expect((await fetch(`${whole.issuer}/metrics`)).status).toBe(404);
});

test('each node is reported with the version that it has, and the time to the next change', async () => {
  const isReported = async () => /^daemun_key_set_version\{node="[\da-f-]{36}"\} \d+$/m.test(await figures());
  for (let tries = 0; !(await isReported()); tries++) {
    expect(tries).toBeLessThan(200);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(await figures()).toMatch(/^daemun_signing_key_next_transition_seconds \d/m);
}, 120_000);

test('a hint under a kid that is not ours is counted', async () => {
  const header = Buffer.from('{"alg":"RS256","kid":"nobody"}').toString('base64url');
  const hint = `${header}.${Buffer.from('{"sub":"x","aud":"some-application"}').toString('base64url')}.AAAA`;
  expect(await figures()).toContain('daemun_unknown_kid_total 0');
  const created = await whole.services.clients.create(
    { id: 'some-application', name: 'Some application', metadata: { redirect_uris: ['https://rp.example/cb'] } },
    { actor: 'test' },
  );
  expect(created.kind).toBe('created');
  await fetch(`${whole.issuer}/logout?id_token_hint=${hint}&client_id=some-application`);
  expect(await figures()).toContain('daemun_unknown_kid_total 1');
});

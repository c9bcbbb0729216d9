import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Services } from '../../src/services.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { childrenOf, openBeside, PERSON, populate, signInAndRefresh, until } from '../support/deployed-service.ts';
import { freePort } from '../support/free-port.ts';
import { killAll, type Run, start, stop } from './service-process.ts';

jest.setTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), 'daemun-workers-'));
let database: { url: string; close(): Promise<void> };
let variables: Record<string, string>;
let service: Run;
let issuer: string;
let beside: Services;
let clientId: string;

beforeAll(async () => {
  database = (await createEmptyDatabase())!;
  const port = String(await freePort());
  issuer = `http://127.0.0.1:${port}`;
  variables = {
    ISSUER: issuer,
    PORT: port,
    DATABASE_URL: database.url,
    KEYS_DIR: join(folder, 'keys'),
    DAEMUN_BCRYPT_COST: '4',
    DAEMUN_METRICS_PORT: String(await freePort()),
    LOG_LEVEL: 'error',
  };
  service = start({ ...variables, WORKERS: '2' });
  await service.ready;
  const { DAEMUN_METRICS_PORT: _, ...withoutMetrics } = variables;
  beside = await openBeside(withoutMetrics);
  ({ clientId } = await populate(beside));
});
afterAll(async () => {
  await beside?.close();
  killAll();
  await service?.ended;
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Always a new connection, so that the next worker gets it. One that was on its way to a worker that was killed is answered by nobody. */
function ask(path: string): Promise<Response> {
  return fetch(`${issuer}${path}`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) });
}

const workers = () => childrenOf(service.child.pid!);
const figures = async () => (await fetch(`http://127.0.0.1:${variables.DAEMUN_METRICS_PORT}/metrics`)).text();
const figure = async (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await figures())?.[1]);
const bothAnswer = () =>
  until('both workers answer', async () => workers().length === 2 && (await figure('daemun_workers_ready')) === 2);

/** Requests without a pause until it is told to end; what became of them. */
function load() {
  let isOn = true;
  const outcomes = { answered: 0, failed: [] as string[] };
  const loops = Array.from({ length: 6 }, async (_, index) => {
    while (isOn) {
      const path = index % 2 ? '/.well-known/openid-configuration' : '/readyz';
      await ask(path).then(
        async (response) => {
          await response.text();
          if (response.status === 200) outcomes.answered += 1;
          else outcomes.failed.push(`${path} ${response.status}`);
        },
        (error: Error) => outcomes.failed.push(`${path} ${(error.cause as Error)?.message ?? error.message}`),
      );
    }
  });
  return {
    outcomes,
    async end() {
      isOn = false;
      await Promise.all(loops);
      return outcomes;
    },
  };
}

test('two workers prepare one database and speak once', async () => {
  const said = await service.ready;
  expect(said.match(/ready at/g)).toHaveLength(1);
  expect(said.match(/Set up the first administrator/g)).toHaveLength(1);
  await bothAnswer();
  const { tokens, refreshed } = await signInAndRefresh(issuer, clientId);
  expect(tokens.id_token).toBeDefined();
  expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
});

test('one port tells the figures of all workers together', async () => {
  await bothAnswer();
  const asked = async () =>
    Number(/^daemun_http_requests_total\{[^}]*route="discovery"[^}]*\} (\d+)$/m.exec(await figures())?.[1] ?? 0);
  const before = await asked();
  for (let count = 0; count < 10; count++) await (await ask('/.well-known/openid-configuration')).text();
  await until('ten more were counted', async () => (await asked()) === before + 10);
});

test('a change of the keys made elsewhere is published by every worker', async () => {
  await bothAnswer();
  const { rows } = await beside.database.pool.query<{ kid: string }>(
    `SELECT kid FROM signing_keys WHERE state = 'active' AND algorithm = 'ES256'`,
  );
  const revoked = rows[0]!.kid;
  await beside.keys.store.revoke({ kid: revoked, reason: 'a test' } as never, { actor: 'test' });
  await until('no worker publishes the revoked key', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => (await ask('/.well-known/jwks.json')).text()),
    );
    return answers.every((text) => !text.includes(revoked));
  });
  await signInAndRefresh(issuer, clientId);
});

test('a worker that is killed under load is replaced, and others answer meanwhile', async () => {
  await bothAnswer();
  const [victim] = workers();
  const { outcomes, end } = load();
  await until('the load runs', async () => outcomes.answered > 20);
  process.kill(victim!, 'SIGKILL');
  const before = outcomes.answered;
  await until('others answer', async () => outcomes.answered > before + 20);
  await until('another took its place', async () => workers().length === 2 && !workers().includes(victim!));
  await bothAnswer();
  const { failed } = await end();
  // Only what the victim had begun: one for each that asks at once.
  expect(failed.length).toBeLessThanOrEqual(6);
  expect(await figure('daemun_worker_restarts_total')).toBe(1);
  await signInAndRefresh(issuer, clientId);
});

test('SIGHUP puts new workers in the place of the old ones without one failed request', async () => {
  await bothAnswer();
  const old = workers();
  const { outcomes, end } = load();
  await until('the load runs', async () => outcomes.answered > 20);
  service.child.kill('SIGHUP');
  await until('all are new', async () => workers().length === 2 && !workers().some((pid) => old.includes(pid)));
  const before = outcomes.answered;
  await until('the new ones answer', async () => outcomes.answered > before + 20);
  const { failed } = await end();
  expect(failed).toEqual([]);
});

test('what an account has used up is used up at every worker', async () => {
  await bothAnswer();
  const { createBrowser } = await import('../support/flow-browser.ts');
  const { authorizationRequest, connect } = await import('../support/flow-client.ts');
  const { enterPassword } = await import('../support/deployed-service.ts');
  const { url } = await authorizationRequest(await connect({ issuer }, { id: clientId }), {
    redirect_uri: 'https://app.example/callback',
  });
  const browser = createBrowser(issuer, { headers: { connection: 'close' } });
  const page = await browser.open(url.href);
  for (let attempt = 0; attempt < 8; attempt++) await enterPassword(browser, page, `not the password ${attempt}`);
  const answers = [];
  for (let attempt = 0; attempt < 4; attempt++) answers.push(await enterPassword(browser, page, PERSON.password));
  expect(answers.map(({ response }) => response?.status)).toEqual([429, 429, 429, 429]);
});

test('SIGTERM ends them all, and the whole with 0', async () => {
  const pids = workers();
  const { code, error } = await stop(service);
  expect(code).toBe(0);
  expect(error.split('\n').filter((line) => line && !/SIGKILL|^Warning: Each worker|^Installing/.test(line))).toEqual(
    [],
  );
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('when the first one cannot start, the whole ends with 1 and says why', async () => {
  const { code, error } = await start({
    ...variables,
    WORKERS: '2',
    DATABASE_URL: `postgresql://nobody@127.0.0.1:${await freePort()}/nothing`,
  }).ended;
  expect(code).toBe(1);
  expect(error).toMatch(/cannot be reached \(ECONNREFUSED\)[\s\S]*The first worker did not start\./);
});

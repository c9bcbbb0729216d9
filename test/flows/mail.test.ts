import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../platform/outbox/node.ts';
import { answer, type MailServer, startMailServer } from '../support/mail-server.ts';
import { startWholeService, type WholeService } from '../support/whole-service.ts';

let server: MailServer;
let service: WholeService;
beforeAll(async () => {
  server = await startMailServer();
  const variables = {
    SMTP_URL: `smtp://localhost:${server.port}`,
    MAIL_FROM: 'Gate <no-reply@id.example.com>',
    DANGEROUSLY_SMTP_WITHOUT_TLS: 'on',
    DAEMUN_BRAND_NAME: 'Gate',
  };
  service = await startWholeService(variables, undefined, ({ database }) => database.pool.query(GUESSES_OF_STRANGERS));
});
afterAll(async () => {
  await service.close();
  await server.close();
});

const by = { actor: 'test' };

/** More than one step of clean-up removes: logins that nobody has, tried two days ago. */
const GUESSES_OF_STRANGERS = `INSERT INTO sign_in_throttles (key, failures, recent_failures, last_failed_at)
  SELECT sha256(convert_to('stranger ' || number, 'UTF8')), 1, 1, now() - interval '2 days'
  FROM generate_series(1, 2500) AS number`;

/** Somebody whose account was disabled, of which they are told. */
async function disable(email: string, locale?: string): Promise<string> {
  const outcome = await service.services.accounts.create({ email, name: 'Ada', ...(locale && { locale }) }, by);
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
  await service.services.accounts.disable(outcome.account.id, by);
  return outcome.account.id;
}

const figures = async () => (await fetch(service.metricsUrl)).text();

test('S-147 people are told by mail of what was done to their account, in their language, from whom the operator says', async () => {
  await disable('ada@example.com');
  await disable('yuna@example.com', 'ko-KR');
  await eventually(() => server.arrived.length === 2);
  const [english, korean] = ['ada', 'yuna'].map((name) => server.arrived.find(({ to }) => to[0]!.startsWith(name)));
  expect(english).toMatchObject({ from: 'no-reply@id.example.com', to: ['ada@example.com'] });
  expect(english!.headers).toMatchObject({
    subject: 'Your Gate account was disabled',
    from: 'Gate <no-reply@id.example.com>',
  });
  expect(english!.text).toContain('signed out everywhere');
  expect(korean!.text).toContain('계정이 정지되었습니다');
  const log = await service.services.outbox.list({ onlyDead: false, limit: 10 });
  await eventually(async () =>
    (await figures()).includes('daemun_outbox_deliveries_total{kind="mail",outcome="delivered"} 2'),
  );
  expect(log.map(({ target }) => target).toSorted()).toEqual(['ada@example.com', 'yuna@example.com']);
});

test('where mail is sent none is kept: there is no mailbox page, and nothing of it in the database', async () => {
  expect((await fetch(`${service.issuer}/mailbox`)).status).toBe(404);
  expect((await service.services.database.pool.query('SELECT FROM mail_messages')).rowCount).toBe(0);
});

test('mail that the server refuses is in the delivery log with its words, and in the figures', async () => {
  server.onRecipient = () => {
    throw answer(550, 'no such user');
  };
  const id = await disable('nobody@example.com');
  await eventually(async () => (await service.services.outbox.list({ onlyDead: true, limit: 10 })).length === 1);
  const [dead] = await service.services.outbox.list({ onlyDead: true, limit: 10 });
  expect(dead).toMatchObject({ kind: 'mail', target: 'nobody@example.com', lastError: '550 no such user' });
  await eventually(async () =>
    (await figures()).includes('daemun_outbox_deliveries_total{kind="mail",outcome="refused"} 1'),
  );
  // The change itself stands.
  expect((await service.services.accounts.find(id))?.state).toBe('disabled');
});

test('scheduled work has begun by itself and is counted', async () => {
  for (const job of ['clean-up', 'forgetting-guesses', 'retention']) {
    await eventually(async () =>
      (await figures()).includes(`daemun_scheduled_runs_total{task="${job}",outcome="done"} 1`),
    );
  }
});

test('and leaves nothing of what strangers made it keep, however many they were', async () => {
  await eventually(async () =>
    (await figures()).includes('daemun_scheduled_runs_total{task="forgetting-guesses",outcome="done"} 1'),
  );
  expect((await service.services.database.pool.query('SELECT FROM sign_in_throttles')).rowCount).toBe(0);
});

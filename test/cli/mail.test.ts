import { afterEach, expect, test } from '@jest/globals';
import { runCommand } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { answer, type MailServer, startMailServer } from '../support/mail-server.ts';

let server: MailServer | undefined;
afterEach(() => server?.close());

async function run(env: Record<string, string>, ...argv: string[]) {
  let [stdout, stderr] = ['', ''];
  const exitCode = await runCommand(['mail', 'test', ...argv], {
    write(text) {
      stdout += text;
    },
    writeError(text) {
      stderr += text;
    },
    readFile: () => '',
    services: () => Promise.reject(new Error('it needs no database')),
    config: () => loadConfig(providers, env),
  });
  return { exitCode, stdout, stderr };
}

const settingsFor = ({ port }: { port: number }) => ({
  SMTP_URL: `smtp://localhost:${port}`,
  MAIL_FROM: 'Gate <no-reply@id.example.com>',
  DANGEROUSLY_SMTP_WITHOUT_TLS: 'on',
  DAEMUN_BRAND_NAME: 'Gate',
});

test('one message is sent at once, and the answer of the server is told', async () => {
  server = await startMailServer();
  const { exitCode, stdout } = await run(settingsFor(server), '--to', 'ada@example.com');
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^localhost:\d+ took it: 250 .+\n$/)]);
  expect(server.arrived).toEqual([
    expect.objectContaining({ from: 'no-reply@id.example.com', to: ['ada@example.com'] }),
  ]);
  expect(server.arrived[0]!.headers.subject).toBe('Gate: a test of mail');
  const json = await run(settingsFor(server), '--to', 'ada@example.com', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ to: 'ada@example.com', response: expect.stringMatching(/^250 /) });
});

test('a refusal ends with 1 and the words of the server, in one line', async () => {
  server = await startMailServer();
  server.onRecipient = () => {
    throw answer(550, 'no \u001b[31msuch user');
  };
  const { exitCode, stdout, stderr } = await run(settingsFor(server), '--to', 'nobody@example.com');
  expect([exitCode, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^localhost:\d+ did not take the message: 550 no \[31msuch user\n$/);
});

test('a server that is away, an address that is none and a missing setting are told apart', async () => {
  const gone = await startMailServer();
  await gone.close();
  expect(await run(settingsFor(gone), '--to', 'ada@example.com')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('ECONNREFUSED'),
  });
  expect(await run(settingsFor(gone), '--to', 'ada@example.com,eve@example.com')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('not one e-mail address'),
  });
  expect(await run({}, '--to', 'ada@example.com')).toMatchObject({
    exitCode: 1,
    stderr: 'No mail is sent from here: SMTP_URL is not set.\n',
  });
  expect((await run({})).exitCode).toBe(2);
});

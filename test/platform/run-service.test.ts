import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const loader = new URL('../support/typescript-loader.mjs', import.meta.url).href;
const script = fileURLToPath(new URL('run-service.script.ts', import.meta.url));

function run(...args: string[]) {
  const child = spawn(process.execPath, ['--import', loader, script, ...args]);
  const output = { out: '', error: '' };
  let ready: (url: string) => void = () => {};
  const url = new Promise<string>((resolve) => {
    ready = resolve;
  });
  child.stdout.on('data', (chunk) => {
    output.out += chunk;
    const found = /ready at ([^\s"]+).*\n/.exec(output.out);
    if (found) ready(found[1]!);
  });
  child.stderr.on('data', (chunk) => {
    output.error += chunk;
  });
  const ended = new Promise<typeof output & { code: number | null }>((resolve) => {
    child.once('close', (code) => resolve({ code, ...output }));
  });
  return { child, url, ended };
}

test('prints where to go, and nothing else', async () => {
  const { child, url, ended } = run('');
  expect(await (await fetch(await url)).text()).toBe('ok');
  child.kill('SIGTERM');
  expect(await ended).toEqual({
    code: 0,
    error: '',
    out: `Daemun is ready at ${await url}
Set up the first administrator (the link works once): http://localhost/setup/token
Mail is kept at http://localhost/mailbox
closed
`,
  });
});

test('in production says the same in JSON lines as the log has them, each value under its name', async () => {
  const { child, url, ended } = run('in production');
  await url;
  child.kill('SIGTERM');
  const { code, error, out } = await ended;
  const lines = out.trimEnd().split('\n');
  expect([code, error, lines.pop()]).toEqual([0, '', 'closed']);
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const mailboxUrl = 'http://localhost/mailbox';
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { level: 'info', time, url: await url, msg: `Daemun is ready at ${await url}` },
    {
      level: 'info',
      time,
      msg: 'There is no administrator yet. For a link that makes one: daemun users setup-link',
    },
    { level: 'info', time, mailboxUrl, msg: `Mail is kept at ${mailboxUrl}` },
  ]);
});

describe('in production an end that is a failure is one JSON line of level "fatal", and 1:', () => {
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  async function fatal(behaviour: string, until = async (_: ReturnType<typeof run>) => {}, ...more: string[]) {
    const running = run(`${behaviour} in production`, ...more);
    await until(running);
    const { code, error } = await running.ended;
    const lines = error.trimEnd().split('\n');
    expect([code, lines.length]).toEqual([1, 1]);
    return JSON.parse(lines[0]!);
  }

  test('a start that is refused, with what to do', async () => {
    expect(await fatal('refuses')).toEqual({ level: 'fatal', time, msg: 'Set ISSUER.' });
  });

  test('a port that is taken', async () => {
    const first = run('plain');
    const { port } = new URL(await first.url);
    const msg = `Port ${port} on 127.0.0.1 is in use by another process. Stop it, or set PORT.`;
    expect(await fatal('', undefined, port)).toEqual({ level: 'fatal', time, msg });
    first.child.kill('SIGTERM');
    await first.ended;
  });

  const defect = {
    name: 'TypeError',
    message: 'x is not a function',
    stack: expect.stringContaining('\n    at '),
    cause: { name: 'Error', message: 'deeper', stack: expect.any(String) },
  };
  test.each(['breaks', 'has a defect'])('S-037 a defect, without what it carries: %s', async (behaviour) => {
    const msg = 'A defect ended the service: x is not a function';
    expect(await fatal(behaviour)).toEqual({ level: 'fatal', time, error: defect, msg });
  });

  test('a stop that fails', async () => {
    const told = await fatal('fails to close', async ({ url, child }) => {
      await url;
      child.kill('SIGTERM');
    });
    expect(told).toMatchObject({ level: 'fatal', error: { message: 'stuck' } });
  });
});

test('once there is an administrator, and in production, only the address is printed', async () => {
  const { child, url, ended } = run('plain');
  await url;
  child.kill('SIGINT');
  expect(await ended).toEqual({ code: 0, error: '', out: `Daemun is ready at ${await url}\nclosed\n` });
});

describe('a start that fails ends with 1 and', () => {
  test('S-175 lets no words of others steer the terminal', async () => {
    const { error } = await run('is told off').ended;
    expect(error.split('\n')[0]).toBe('Error: no\ufffd[2J Daemun is ready at http://evil');
  });

  test('prints only the text when it was written for the operator', async () => {
    expect(await run('refuses').ended).toEqual({ code: 1, out: '', error: 'Set ISSUER.\n' });
  });

  test('prints the whole error when it is a defect', async () => {
    const { code, error } = await run('breaks').ended;
    expect(code).toBe(1);
    expect(error).toMatch(/TypeError: x is not a function\n {4}at [\s\S]*caused by Error: deeper/);
  });

  test('says which port is taken, and by what to change it', async () => {
    const first = run('plain');
    const { port } = new URL(await first.url);
    expect(await run('plain', port).ended).toEqual({
      code: 1,
      out: 'closed\n',
      error: `Port ${port} on 127.0.0.1 is in use by another process. Stop it, or set PORT.\n`,
    });
    expect((await run('plain', port, 'METRICS').ended).error).toBe(
      `Port ${port} on 127.0.0.1 is in use by another process. Stop it, or set METRICS.\n`,
    );
    first.child.kill('SIGTERM');
    await first.ended;
  });
});

test('S-037 a defect that nobody caught ends the process with what an error says, and nothing of what it carries', async () => {
  const { code, error } = await run('has a defect').ended;
  expect(code).toBe(1);
  expect(error).toMatch(/TypeError: x is not a function\n {4}at [\s\S]*caused by Error: deeper/);
  expect(error).not.toContain('Failing row');
});

describe('stopping', () => {
  test('while it still starts ends it at once, also as process 1, for whom a signal without a handler does nothing', async () => {
    const { child, ended } = run('starts slowly');
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, out: 'starting\n', error: '' });
  });

  test('that fails says why and ends with 1', async () => {
    const { child, url, ended } = run('fails to close');
    await url;
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 1, error: expect.stringContaining('stuck') });
  });

  test('that never ends is ended', async () => {
    const { child, url, ended } = run('hangs');
    await url;
    child.kill('SIGTERM');
    expect((await ended).code).toBe(1);
  });

  test('is immediate at the second signal', async () => {
    const { child, url, ended } = run('hangs');
    await url;
    child.kill('SIGTERM');
    child.kill('SIGINT');
    expect((await ended).code).toBe(1);
  });
});

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { CommandResult } from '../../src/cli/command.ts';
import { type CommandRequest, controlSocketPath } from '../../src/cli/control-protocol.ts';
import { type ControlSocket, openControlSocket } from '../../src/cli/control-socket.ts';
import { isServiceRunning, runRemotely } from '../../src/cli/remote.ts';

let directory: string;
const opened: ControlSocket[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'daemun-control-'));
});

afterEach(async () => {
  for (const socket of opened.splice(0)) await socket.close();
  rmSync(directory, { recursive: true, force: true });
});

async function open(execute: (request: CommandRequest) => Promise<CommandResult>): Promise<ControlSocket> {
  const socket = await openControlSocket({ directory, execute });
  opened.push(socket);
  return socket;
}

const echo = async (request: CommandRequest): Promise<CommandResult> => ({
  exitCode: 0,
  stdout: JSON.stringify(request),
  stderr: '',
});

/** Sends raw bytes and answers what comes back until the other side closes. */
async function send(text: string): Promise<string> {
  const socket = connect(controlSocketPath(directory));
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  socket.write(text);
  await new Promise<void>((resolve) => socket.once('close', () => resolve()).once('error', () => resolve()));
  return answer;
}

test('a command reaches the service with its files, and its outcome comes back', async () => {
  await open(echo);
  const request = { argv: ['clients', 'create', '--name', '이름\n"x"'], files: { 'keys.json': '{"keys":[]}' } };
  const result = await runRemotely(directory, request);
  expect(result).toEqual({ exitCode: 0, stdout: JSON.stringify(request), stderr: '' });
});

test('several commands at once each get their own outcome', async () => {
  await open(async ({ argv }) => {
    await new Promise((resolve) => setTimeout(resolve, argv[0] === 'slow' ? 50 : 0));
    return { exitCode: argv.length, stdout: argv.join(' '), stderr: '' };
  });
  const results = await Promise.all(
    [['slow', 'a'], ['fast'], ['slow', 'b']].map((argv) => runRemotely(directory, { argv, files: {} })),
  );
  expect(results.map(({ stdout }) => stdout)).toEqual(['slow a', 'fast', 'slow b']);
});

test('only the owner of the process may connect', async () => {
  await open(echo);
  expect(statSync(controlSocketPath(directory)).mode & 0o777).toBe(0o600);
});

test('opening the socket leaves the file mode of everything else alone', async () => {
  const before = process.umask();
  await open(echo);
  expect(process.umask()).toBe(before);
});

test('a socket left behind by a killed service is replaced', async () => {
  writeFileSync(controlSocketPath(directory), '');
  await open(echo);
  expect((await runRemotely(directory, { argv: ['x'], files: {} })).exitCode).toBe(0);
});

test('a service is found while it listens, and only then', async () => {
  expect(await isServiceRunning(join(directory, 'missing'))).toBe(false);
  expect(await isServiceRunning(directory)).toBe(false);
  const socket = await open(echo);
  expect(await isServiceRunning(directory)).toBe(true);
  await socket.close();
  expect(await isServiceRunning(directory)).toBe(false);
});

test('a file that is no socket is not talked to', async () => {
  writeFileSync(controlSocketPath(directory), '');
  expect(await isServiceRunning(directory)).toBe(false);
});

test.each([
  ['is not JSON', 'nonsense\n'],
  ['is no object', 'null\n'],
  ['has no arguments', '{}\n'],
  ['has arguments that are not text', '{"argv":[{"a":1}]}\n'],
  ['has files that are not text', '{"argv":[],"files":{"a":[]}}\n'],
])('a request that %s is refused and runs nothing', async (_, text) => {
  let executed = false;
  await open(async () => {
    executed = true;
    return { exitCode: 0, stdout: '', stderr: '' };
  });
  expect(JSON.parse(await send(text))).toMatchObject({ exitCode: 2 });
  expect(executed).toBe(false);
});

test('a request without an end is cut off at one megabyte', async () => {
  await open(echo);
  expect(await send('x'.repeat(1024 * 1024 + 1))).toBe('');
});

test('a defect in a command closes that connection and the service goes on', async () => {
  await open(async ({ argv }) => {
    if (argv[0] === 'broken') throw new Error('defect');
    return { exitCode: 0, stdout: '', stderr: '' };
  });
  await expect(runRemotely(directory, { argv: ['broken'], files: {} })).rejects.toThrow('may or may not');
  expect((await runRemotely(directory, { argv: ['fine'], files: {} })).exitCode).toBe(0);
});

test('closing waits for the command that runs and drops whoever only connected', async () => {
  const running: { finish?: () => void } = {};
  const socket = await open(async () => {
    await new Promise<void>((resolve) => {
      running.finish = resolve;
    });
    return { exitCode: 0, stdout: 'done', stderr: '' };
  });
  const idle = connect(controlSocketPath(directory));
  await new Promise((resolve) => idle.once('connect', resolve));
  const result = runRemotely(directory, { argv: ['x'], files: {} });
  while (!running.finish) await new Promise((resolve) => setImmediate(resolve));
  const closed = socket.close();
  running.finish();
  expect((await result).stdout).toBe('done');
  await closed;
});

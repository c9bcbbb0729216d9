import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createAudit } from '../../src/audit/audit.ts';
import { createUpstreamConnections } from '../../src/upstreams/connections.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

const upstreams = [
  { provider: 'google', displayName: 'Google' },
  { provider: 'discord', displayName: 'Discord' },
];

const issuer = 'https://id.example';
/** As the way back has them: what has to be registered there, letter by letter. */
const listedUpstreams = upstreams.map((upstream) => {
  return { ...upstream, redirectUri: `https://id.example/callback/${upstream.provider}` };
});

let database: TestDatabase;
let cli: CommandLine;
beforeAll(async () => {
  database = await openTestDatabase();
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  cli = openCommandLine({ issuer, upstreamConnections: createUpstreamConnections({ database, upstreams, audit }) });
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.prisma.upstreamConnection.deleteMany();
});

test('what is configured is listed, enabled until somebody disables it', async () => {
  expect(await cli.json('upstreams', 'list')).toEqual({ upstreams: listedUpstreams });
  await cli.run('upstreams', 'disable', 'discord');
  const { stdout } = await cli.run('upstreams', 'list');
  expect(stdout).toMatch(/^PROVIDER +NAME +STATE +SINCE +REDIRECT URI$/m);
  expect(stdout).toMatch(/^google +Google +enabled +- +https:\/\/id\.example\/callback\/google$/m);
  expect(stdout).toMatch(/^discord +Discord +disabled +\d{4}-\d\d-\d\dT/m);
  const { upstreams: listed } = await cli.json('upstreams', 'list');
  expect(listed[1]).toEqual({ ...listedUpstreams[1], disabledAt: expect.stringMatching(/^\d{4}-/) });
});

test('with nothing configured the list says where that is explained', async () => {
  const none = openCommandLine({
    upstreamConnections: createUpstreamConnections({ database, upstreams: [], audit: {} as never }),
  });
  expect((await none.run('upstreams', 'list')).stdout).toContain('docs/upstreams.md');
});

test('S-100 one is disabled and enabled once each, and recorded as done by the command line', async () => {
  for (const [verb, state] of [
    ['disable', 'disabled'],
    ['enable', 'enabled'],
  ] as const) {
    expect(await cli.json('upstreams', verb, 'google')).toEqual({ provider: 'google', state, changed: true });
    expect(await cli.json('upstreams', verb, 'google')).toEqual({ provider: 'google', state, changed: false });
    expect((await cli.run('upstreams', verb, 'google')).stdout).toBe(`google was ${state} already.\n`);
  }
  const events = await database.prisma.auditEvent.findMany({ orderBy: [{ at: 'asc' }, { id: 'asc' }] });
  const changes = events.filter(({ details }) => (details as { provider?: string }).provider === 'google');
  expect(changes.map(({ actor }) => actor)).toEqual(['cli', 'cli']);
});

test.each(['disable', 'enable'])('%s of one that is not configured is a clear refusal', async (verb) => {
  const { exitCode, stderr } = await cli.run('upstreams', verb, 'myspace');
  expect(exitCode).toBe(1);
  expect(stderr).toBe('There is no provider myspace. `daemun upstreams list` shows all.\n');
  expect(await database.prisma.upstreamConnection.count()).toBe(0);
});

// What `npm test` runs: everything, on the embedded database and again on PostgreSQL where its server is installed.
// Arguments go to Jest. The last line is `N passed, N failed`, with `, N skipped` when something was.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { prepare, requireNode, root } from './prepare.mjs';
import { findPostgresql, startPostgresql } from './test-postgresql.mjs';

/** What speaks to the database; the rest would only repeat itself. */
const ON_POSTGRESQL = [
  'test/contracts',
  'test/flows',
  'test/console',
  'test/management',
  'test/api-keys',
  'test/accounts',
  'test/clients',
  'test/signing-keys',
  'test/upstreams',
  'test/audit',
  'test/cli',
  'test/browser',
  'test/platform',
  'test/faults',
];
const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const total = { passed: 0, failed: 0, skipped: 0 };
const notes = [];
let reports = 0;
const running = new Set();
const folder = mkdtempSync(join(tmpdir(), 'daemun-npm-test-'));
const jestArguments = process.argv.slice(2);
/** On a machine that was prepared for it nothing may be left out. */
const complete = process.env.CI === 'true';

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
  });
}

requireNode();
await prepare({ dev: true });

await check('Type check', ['scripts/build.mjs', '--check']);
await check('Lint', ['node_modules/@biomejs/biome/bin/biome', 'check', '.']);

const chromium = process.env.CHROMIUM_PATH ?? findProgram(CHROMIUM);
if (!chromium) leaveOut('Browser tests', 'no Chromium was found (CHROMIUM_PATH, or `chromium` on the path)');
if (!findProgram(['redis-server'])) leaveOut('Tests of Redis', 'no `redis-server` was found on the path');
const environment = { ...process.env, ...(chromium && { CHROMIUM_PATH: chromium }) };

await jest('Tests on the embedded database', [], { ...environment, TEST_POSTGRES_URL: '' });
await testOnPostgresql();

rmSync(folder, { recursive: true, force: true });
for (const note of notes) console.log(note);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`);
process.exit(total.failed ? 1 : 0);

async function testOnPostgresql() {
  const roots = ON_POSTGRESQL.filter((path) => existsSync(join(root, path))).map((path) => `--roots=${path}`);
  const title = 'Tests on PostgreSQL';
  if (process.env.TEST_POSTGRES_URL) return jest(title, roots, environment);
  const binaries = findPostgresql();
  if (!binaries)
    return leaveOut(title, 'no PostgreSQL server (15 or newer) was found on the path or in /usr/lib/postgresql');
  const server = await startPostgresql(binaries).catch((error) => {
    fail(title, `PostgreSQL did not start: ${error.message}`);
  });
  if (!server) return;
  try {
    await jest(`${title} (${server.version})`, roots, { ...environment, TEST_POSTGRES_URL: server.url });
  } finally {
    await server.stop();
  }
}

async function check(title, command) {
  heading(title);
  const status = await run(command);
  if (status === 0) total.passed += 1;
  else fail(title, 'failed');
}

/**
 * A file that failed runs once more, alone: with two workers, browsers and databases on a small machine some waits run out that
 * are long otherwise. What passes only then counts as passed and is named at the end; what fails twice has failed.
 */
async function jest(title, options, environment) {
  heading(title);
  const first = await runJest(['--maxWorkers=100%', ...options], environment);
  count(first.files.filter(({ status }) => status === 'passed'));
  const failed = first.files.filter(({ status }) => status !== 'passed');
  if (!failed.length) {
    if (first.status !== 0) fail(title, `Jest ended with ${first.status}`);
    return;
  }
  heading(`${title}: once more, alone`);
  const second = await runJest(['--runInBand', '--runTestsByPath', ...failed.map(({ name }) => name)], environment);
  count(second.files);
  if (second.status !== 0 && second.files.every(({ status }) => status === 'passed')) {
    fail(title, `Jest ended with ${second.status}`);
  }
  for (const { name, status } of second.files) {
    if (status === 'passed') notes.push(`Passed on the second try: ${relative(root, name)} (${title}).`);
  }
}

async function runJest(options, environment) {
  reports += 1;
  const report = join(folder, `${reports}.json`);
  const status = await run(
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      // First, because an option that takes a list would swallow a path after it.
      ...jestArguments,
      '--json',
      `--outputFile=${report}`,
      '--passWithNoTests',
      ...options,
    ],
    environment,
  );
  return { status, files: readReport(report)?.testResults ?? [] };
}

function count(files) {
  for (const { status, assertionResults } of files) {
    const of = (...wanted) => assertionResults.filter((result) => wanted.includes(result.status)).length;
    total.passed += of('passed');
    total.skipped += of('pending', 'todo', 'skipped');
    // A file that could not even run has no tests to count.
    total.failed += status === 'passed' ? 0 : Math.max(1, of('failed'));
  }
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Standard output is Jest's JSON, which also goes to the file; what people read is on standard error. */
function run(command, environment = process.env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    running.add(child);
    child.once('error', () => resolve(1));
    child.once('close', (status, signal) => {
      running.delete(child);
      resolve(status ?? signal);
    });
  });
}

function findProgram(names) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.flatMap((name) => folders.map((path) => join(path, name))).find((path) => existsSync(path));
}

function leaveOut(title, reason) {
  if (complete) fail(title, reason);
  else notes.push(`Skipped: ${title}, because ${reason}.`);
}

function fail(title, reason) {
  total.failed += 1;
  notes.push(`Failed: ${title}: ${reason}.`);
}

function heading(title) {
  console.error(`\n── ${title}`);
}

// What `npm run demo` runs: the provider, a sample web application that signs people in with it, a sample API that trusts its
// tokens, and a stand-in for Google and Discord. Each is a process of its own, registered through the same commands an operator
// would type.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildExamples } from './build.mjs';
import { problemsOfPorts } from './demo-ports.mjs';
import { endWithNpm } from './end-with-npm.mjs';
import { prepare, requireNode, root } from './prepare.mjs';

const CLIENT_ID = 'sample-web-app';
const API_CLIENT_ID = 'sample-api';
const SCOPES = ['sessions:read=See your sessions', 'sessions:write=Create and change your sessions'];

requireNode();
await prepare();
// The demo compiles the packages and the examples too; the service's own output is already there.
buildExamples();
readSettings();

const port = Number(process.env.PORT ?? 3000);
const webAppPort = Number(process.env.DEMO_WEB_APP_PORT ?? 4000);
const apiPort = Number(process.env.DEMO_API_PORT ?? 4001);
const issuer = process.env.ISSUER ?? `http://localhost:${port}`;
const webApp = `http://localhost:${webAppPort}`;
const api = `http://localhost:${apiPort}`;
// As the stand-in listens: on 127.0.0.1 alone.
const upstreamsPort = Number(process.env.DEMO_UPSTREAMS_PORT ?? 4002);
const upstreams = `http://127.0.0.1:${upstreamsPort}`;
const pretends = !['GOOGLE_CLIENT_ID', 'DISCORD_CLIENT_ID', 'DANGEROUSLY_UPSTREAMS_AT'].some(
  (name) => process.env[name],
);

const children = [];
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop(0));
endWithNpm('demo');

await requirePorts();
const pretended = pretends ? await startUpstreams() : {};
start('dist/main.js', { ISSUER: issuer, PORT: String(port), ...pretended });
await until(`${issuer}/.well-known/openid-configuration`);
registerResourceServer();
const clients = new Set(daemun(['clients', 'list', '--limit', '1000', '--json']).clients.map(({ id }) => id));
const secret = registerClient(CLIENT_ID, [
  ...['--name', 'Sample Web App', '--redirect-uri', `${webApp}/callback`, '--post-logout-redirect-uri', `${webApp}/`],
  ...['--client-uri', webApp, '--resource', api],
]);
start('examples/api/dist/server.js', {
  PORT: String(apiPort),
  ISSUER: issuer,
  AUDIENCE: api,
  // By which it asks about API keys.
  CLIENT_ID: API_CLIENT_ID,
  CLIENT_SECRET: registerClient(API_CLIENT_ID, [
    ...['--name', 'Sample API', '--grant-type', 'client_credentials', '--resource', api],
  ]),
});
start('examples/web-app/dist/server.js', {
  PORT: String(webAppPort),
  BASE_URL: webApp,
  ISSUER: issuer,
  CLIENT_ID,
  CLIENT_SECRET: secret,
  API_URL: api,
});
await until(webApp);
await until(`${api}/.well-known/oauth-protected-resource`);
const pretendedSteps = `
"Continue with Google" and "Continue with Discord" lead to ${upstreams}, which only pretends to be either:
choose who to be there, and allow the sample application to know it. No account anywhere is needed.
Like the real one, that Discord does not ask again who agreed before; to be somebody else there, sign out at
${upstreams}/discord/logout`;
console.log(`
The sample application is at ${webApp} — press "Sign in".${pretends ? pretendedSteps : ''}
The sample API is at         ${api} — it checks tokens by ${issuer}/.well-known/jwks.json alone,
                             and asks ${issuer} about API keys.
The demo keeps its data in   ${process.env.DATA_DIR ?? 'the database of DATABASE_URL'}.
Stop everything with Ctrl+C.`);

/** Pretended people must never get into the data of `npm start`: where that is, `.env` says, so the demo does not read it there. */
function readSettings() {
  const places = [
    'DATABASE_URL',
    'MIGRATION_DATABASE_URL',
    'DAEMUN_DATABASE_POOL_SIZE',
    'DATA_DIR',
    'KEY_ENCRYPTION_KEY',
  ];
  const own = [...places, 'KEYS_DIR'].flatMap((name) => [name, `${name}_FILE`]);
  const given = new Set(own.filter((name) => process.env[name]));
  if (existsSync('.env')) process.loadEnvFile('.env');
  for (const name of own) if (!given.has(name)) delete process.env[name];
  const isGiven = (name) => given.has(name) || given.has(`${name}_FILE`);
  if (!isGiven('DATABASE_URL')) process.env.DATA_DIR ??= join(root, 'data/demo');
  if (!isGiven('KEY_ENCRYPTION_KEY')) process.env.KEYS_DIR ??= join(root, 'data/demo/keys');
}

/** Ends the demo before it began, when another process is where one of its own belongs. */
async function requirePorts() {
  const problems = await problemsOfPorts({
    PORT: { port, host: process.env.HOST ?? '127.0.0.1' },
    DEMO_WEB_APP_PORT: { port: webAppPort },
    DEMO_API_PORT: { port: apiPort },
    ...(pretends && { DEMO_UPSTREAMS_PORT: { port: upstreamsPort, host: '127.0.0.1' } }),
  });
  if (!problems.length) return;
  console.error(problems.join('\n'));
  process.exit(1);
}

/** What makes Daemun take the stand-in for both providers. */
async function startUpstreams() {
  const secret = 'known to everybody who reads this';
  start('scripts/demo-upstreams.mjs', { PORT: String(upstreamsPort), CLIENT_SECRET: secret, ISSUER: issuer });
  await until(`${upstreams}/google/oauth2/v3/certs`);
  return {
    GOOGLE_CLIENT_ID: 'google-client',
    GOOGLE_CLIENT_SECRET: secret,
    DISCORD_CLIENT_ID: 'discord-client',
    DISCORD_CLIENT_SECRET: secret,
    DANGEROUSLY_UPSTREAMS_AT: upstreams,
    DAEMUN_SIGN_UP: 'open',
    DAEMUN_SIGN_UP_DOMAINS: '',
  };
}

function start(file, environment) {
  const child = spawn(process.execPath, [join(root, file)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  children.push(child);
  // Ctrl+C reaches all of them at once, and who ends by it first did nothing wrong.
  child.on('exit', (code, signal) => stop(['SIGINT', 'SIGTERM'].includes(signal) ? 0 : (code ?? 1)));
}

/** The demo lives and dies as one. */
function stop(code) {
  if (stopping) return;
  stopping = true;
  process.exitCode = code;
  for (const child of children.reverse()) child.kill('SIGTERM');
}

async function until(url) {
  for (let attempt = 0; attempt < 300 && !stopping; attempt++) {
    const ready = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  if (!stopping) console.error(`${url} did not answer.`);
  stop(1);
  await new Promise(() => {});
}

function registerResourceServer() {
  const scopes = SCOPES.flatMap((scope) => ['--scope', scope]);
  const known = daemun(['resources', 'list', '--json']).resourceServers.some(({ identifier }) => identifier === api);
  if (known) daemun(['resources', 'update', api, ...scopes, '--json']);
  else daemun(['resources', 'create', '--identifier', api, '--name', 'Sample API', ...scopes, '--json']);
}

/** The secret is known only when it is made, so every further run makes a new one. */
function registerClient(id, settings) {
  if (!clients.has(id)) return daemun(['clients', 'create', '--id', id, ...settings, '--json']).secret;
  daemun(['clients', 'update', id, ...settings, '--json']);
  return daemun(['clients', 'rotate-secret', id, '--overlap', '0', '--json']).secret;
}

function daemun(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'bin/daemun.mjs'), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ISSUER: issuer },
  });
  if (status === 0) return JSON.parse(stdout);
  console.error(stderr);
  stop(1);
  process.exit(1);
}

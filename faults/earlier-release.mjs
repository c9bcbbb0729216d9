import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runDaemun } from './commands.mjs';
import { root } from './node-process.mjs';
import { redirectUri } from './people.mjs';

/**
 * The release that nodes are upgraded from: `from` names a revision of this repository, which is checked out and built in a directory
 * of its own, or a directory that holds a built one. Without it, the newest tag.
 * @returns what it is called, and how it is used; or `missing`, which says why there is none
 * @throws Error when what was named is none, or cannot be checked out or built
 */
export async function openEarlierRelease(from = newestTag()) {
  if (!from) {
    return { missing: 'this repository has no tag; name the earlier release, a revision or a directory, by --from' };
  }
  const directory = resolve(from);
  if (existsSync(join(directory, 'package.json'))) {
    if (!existsSync(join(directory, 'dist/main.js'))) throw new Error(`${directory} has no dist/: build it first`);
    return describe(from, directory, () => {});
  }
  const found = git('rev-parse', '--verify', '--quiet', `${from}^{commit}`);
  if (found.status !== 0)
    throw new Error(`${from} is neither a revision of this repository nor a directory with a release`);
  const made = mkdtempSync(join(tmpdir(), 'daemun-release-'));
  const close = () => rmSync(made, { recursive: true, force: true });
  process.once('exit', close);
  checkOut(found.stdout.trim(), made);
  if (hasSamePackages(made)) sharePackages(made);
  prepare(made);
  return { ...describe(from, made, close), learnMigrations: () => learnMigrations(made) };
}

function describe(name, directory, close) {
  const names = new Set(readFileSync(join(directory, '.env.example'), 'utf8').match(/^#?[A-Z][A-Z0-9_]+(?==)/gm));
  const known = ([variable]) => names.has(`#${variable}`) || names.has(variable);
  return {
    name,
    directory,
    close,
    migrations: migrationsOf(directory),
    /** Without what this release does not know yet, and would refuse. */
    environmentFor: (environment) => Object.fromEntries(Object.entries(environment).filter(known)),
  };
}

export const migrationsOf = (directory) =>
  readdirSync(join(directory, 'prisma/migrations')).filter((name) => /^\d/.test(name));

function newestTag() {
  return git('tag', '--sort=-creatordate').stdout?.split('\n')[0];
}

function git(...args) {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8' });
}

/** As an archive, so that the repository does not learn of it. */
function checkOut(revision, directory) {
  const archive = join(directory, '.release.tar');
  succeed('git', ['archive', `--output=${archive}`, revision], root);
  succeed('tar', ['-xf', archive], directory);
  rmSync(archive);
}

function hasSamePackages(directory) {
  const [ours, theirs] = [root, directory].map((one) => readFileSync(join(one, 'package-lock.json'), 'utf8'));
  return ours === theirs;
}

/** A folder of its own, for what a build leaves there, with links to each of our packages. */
function sharePackages(directory) {
  linkEach(join(root, 'node_modules'), join(directory, 'node_modules'));
}

function linkEach(source, target) {
  mkdirSync(target);
  for (const name of readdirSync(source)) {
    if (name.startsWith('.daemun')) continue;
    // The repository's own packages are links already, and stay links within their own release.
    if (lstatSync(join(source, name)).isSymbolicLink())
      cpSync(join(source, name), join(target, name), { verbatimSymlinks: true });
    else if (name.startsWith('@')) linkEach(join(source, name), join(target, name));
    else symlinkSync(join(source, name), join(target, name));
  }
}

/** By the release's own means, as its `npm start` does. */
function prepare(directory) {
  succeed(
    process.execPath,
    ['--input-type=module', '-e', `await (await import('./scripts/prepare.mjs')).prepare()`],
    directory,
  );
}

function succeed(program, args, directory) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: directory, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
}

/** What that release does not have is put beside what it has: it no longer refuses the tables, and meets them. */
function learnMigrations(directory) {
  for (const name of migrationsOf(root)) {
    cpSync(join(root, 'prisma/migrations', name), join(directory, 'prisma/migrations', name), { recursive: true });
  }
}

/**
 * Clients and people as `seed` of people.mjs makes them, by the command line of that release, which stays as it is for longer than
 * the insides do. People have no password yet: each has a `link` to choose it by.
 */
export async function seedByCommands(release, environment, count) {
  const run = async (...args) => {
    const { code, output, said } = await runDaemun([...args, '--json'], environment, [], release.directory);
    if (code !== 0) throw new Error(`seeding: daemun ${args.join(' ')}: ${said}`);
    return JSON.parse(output);
  };
  const client = async (name, scope, ...options) => {
    const { id, secret } = await run('clients', 'create', '--name', name, ...options);
    return { id, secret, redirectUri, scope };
  };
  const clients = {
    asking: await client('Asks for consent', 'openid email', '--redirect-uri', redirectUri),
    own: await client('Our own', 'openid', '--redirect-uri', redirectUri, '--first-party'),
    machine: await client('A machine', undefined, '--grant-type', 'client_credentials'),
  };
  const people = [];
  for (let index = 0; index < count; index++) {
    const login = `person${index}@faults.example`;
    const { user, link } = await run('users', 'create', '--email', login);
    const token = link.slice(link.lastIndexOf('/') + 1);
    people.push({ id: user.id, login, link: token, password: `quiet harbour ${index} lantern orchard` });
  }
  return { clients, people };
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Import {
  from: string;
  /** A path below src, or the name of a package. */
  to: string;
  typeOnly: boolean;
}

interface Source {
  path: string;
  text: string;
  imports: Import[];
}

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts') && !path.startsWith('generated/'))
  .sort()
  .map(readSource);
const imports = sources.flatMap((source) => source.imports);
const folders = [...new Set(sources.map(({ path }) => folderOf(path)).filter((folder) => !folder.endsWith('.ts')))];

function readSource(path: string): Source {
  const text = readFileSync(join(root, 'src', path), 'utf8');
  const found = text.matchAll(
    /^(?:import|export)\s(type\s)?[^;]*?from\s+'([^']+)';|^import\s+'([^']+)';|import\('([^']+)'\)/gm,
  );
  return {
    path,
    text,
    imports: [...found].map(([statement, type, named, bare, dynamic]) => {
      const target = (named ?? bare ?? dynamic)!;
      return {
        from: path,
        to: target.startsWith('.') ? posix.join(posix.dirname(path), target) : target,
        // `typeof import('x')` and `import('x').Y` in a type are dynamic in form only.
        typeOnly: type !== undefined || (dynamic !== undefined && isTypePosition(text, statement)),
      };
    }),
  };
}

function isTypePosition(text: string, statement: string): boolean {
  return !text.includes(`await ${statement}`);
}

function folderOf(path: string): string {
  return path.split('/')[0]!;
}

function isOurs(target: string): boolean {
  return target.endsWith('.ts');
}

function packageOf(target: string): string {
  return target.split('/', target.startsWith('@') ? 2 : 1).join('/');
}

test('this test sees imports, dynamic ones, and which are of types only', () => {
  expect(imports).toEqual(
    expect.arrayContaining([
      { from: 'http-surface.ts', to: 'koa', typeOnly: false },
      { from: 'main.ts', to: 'config/load.ts', typeOnly: false },
      { from: 'platform/database/embedded.ts', to: '@electric-sql/pglite', typeOnly: false },
      { from: 'platform/database/pglite-stream.ts', to: '@electric-sql/pglite', typeOnly: true },
      { from: 'provider/engine.ts', to: 'oidc-provider', typeOnly: false },
    ]),
  );
});

describe('who may import whom', () => {
  /** As the table in docs/ARCHITECTURE.md says. */
  const mayImport: Record<string, string[]> = {
    config: [],
    platform: [],
    audit: ['platform'],
    accounts: ['platform', 'audit'],
    'signing-keys': ['platform', 'audit'],
    clients: ['platform', 'audit'],
    upstreams: ['platform', 'audit'],
    // Resource servers are the clients' folder: keys are made for them.
    'api-keys': ['platform', 'audit', 'accounts', 'clients'],
    provider: ['platform', 'audit', 'accounts', 'clients', 'api-keys', 'signing-keys'],
    interactions: ['platform', 'audit', 'accounts', 'clients', 'upstreams', 'provider'],
    management: ['platform', 'audit', 'accounts', 'clients', 'api-keys', 'provider'],
    console: ['platform', 'audit', 'clients', 'api-keys', 'provider', 'interactions'],
  };

  /** Where things are put together: the service and the command line are two fronts of the same pieces. */
  const compositions = ['app.ts', 'http-surface.ts', 'services.ts', 'main.ts', 'cli.ts', 'cli'];

  /** Single files that are let through, with the reason. */
  const exceptions: Record<string, string[]> = {
    // A secret is born in the configuration and must not be printable from there on; a wrong one is the operator's to mend.
    // Both files import nothing themselves.
    config: ['platform/secret-text.ts', 'platform/operator-error.ts'],
  };

  test('the table in docs/ARCHITECTURE.md is the one that holds here', () => {
    const page = readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8');
    const rows = page.matchAll(/^\| ([a-z-]+) \| ([a-z, –-]+) \|/gm);
    const written = Object.fromEntries(
      [...rows].map(([, folder, list]): [string, string[]] => [folder!, list === '–' ? [] : list!.split(', ')]),
    );
    for (const [folder, allowed] of Object.entries(mayImport)) {
      // The page also names folders that are still to come.
      const existing = written[folder]?.filter((name) => folders.includes(name)).toSorted();
      expect([folder, existing]).toEqual([folder, allowed.toSorted()]);
    }
  });

  test('every folder is in the table', () => {
    expect(folders.filter((folder) => !(folder in mayImport) && !compositions.includes(folder))).toEqual([]);
  });

  test('nobody imports what the table does not allow', () => {
    const forbidden = imports.filter(({ from, to }) => {
      const [source, target] = [folderOf(from), folderOf(to)];
      if (!isOurs(to) || source === target || target === 'generated' || compositions.includes(source)) return false;
      return !mayImport[source]?.includes(target) && !exceptions[source]?.includes(to);
    });
    expect(forbidden).toEqual([]);
  });

  test('the exceptions import nothing themselves', () => {
    const excepted = Object.values(exceptions).flat();
    expect(imports.filter(({ from, to }) => excepted.includes(from) && !to.startsWith('node:'))).toEqual([]);
  });

  test('no file imports itself by a detour', () => {
    const next = new Map(sources.map(({ path, imports }) => [path, imports.map(({ to }) => to).filter(isOurs)]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (trail.includes(path) || done.has(path)) return;
      for (const target of next.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const path of next.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test('tests and tools are not imported by the product', () => {
    expect(imports.filter(({ to }) => isOurs(to) && to.startsWith('..'))).toEqual([]);
  });
});

describe('each powerful library lives in one place', () => {
  /** Files, or folders with a slash at the end, that may load it. Types alone are free unless `types` is false. */
  const homes: Record<string, { in: string[]; types?: false }> = {
    '@electric-sql/pglite': { in: ['platform/database/'] },
    '@koa/router': {
      in: [
        'http-surface.ts',
        'interactions/interactions.routes.ts',
        'management/management.routes.ts',
        'console/account.routes.ts',
      ],
    },
    '@node-rs/argon2': { in: ['accounts/argon2id.ts'] },
    '@opentelemetry/api': { in: ['platform/tracing/'] },
    '@opentelemetry/context-async-hooks': { in: ['platform/tracing/export.ts'] },
    '@opentelemetry/exporter-trace-otlp-http': { in: ['platform/tracing/export.ts'] },
    '@opentelemetry/resources': { in: ['platform/tracing/export.ts'] },
    '@opentelemetry/sdk-trace-base': { in: ['platform/tracing/export.ts'] },
    '@prisma/adapter-pg': { in: ['platform/database/database.ts'] },
    '@zxcvbn-ts/language-common': { in: ['accounts/common-passwords.ts'] },
    accepts: { in: ['platform/http/accepted-locale.ts'] },
    bcrypt: { in: ['accounts/passwords.ts'] },
    bowser: { in: ['accounts/device-name.ts'] },
    cockatiel: { in: ['upstreams/circuit-breaker.ts'] },
    commander: { in: ['cli/'] },
    eta: { in: ['platform/http/render.ts'] },
    'intl-messageformat': { in: ['platform/http/messages.ts'] },
    // Addresses: of proxies in a variable, of clients.
    'ipaddr.js': { in: ['config/values.ts', 'platform/http/client-address.ts'] },
    // Private keys are in signing-keys only; the provider looks into headers and hints before the engine verifies them, and says
    // why an access token did not hold; upstreams verify what their providers signed.
    jose: {
      in: [
        'signing-keys/',
        'upstreams/',
        'provider/prompts.ts',
        'provider/request-objects.ts',
        'provider/hint-keys.ts',
        'provider/failed-verifications.ts',
        // Tokens for our own API.
        'provider/own-access-tokens.ts',
      ],
    },
    koa: { in: ['http-surface.ts'] },
    nodemailer: { in: ['platform/mail/smtp.ts'] },
    'oidc-provider': { in: ['provider/engine.ts'], types: false },
    'passport-discord': { in: ['upstreams/discord.ts'] },
    'passport-google-oauth20': { in: ['upstreams/google.ts'] },
    pg: { in: ['platform/database/'] },
    pino: { in: ['platform/logger.ts'] },
    'prom-client': { in: ['platform/metrics.ts', 'platform/workers/metrics-of-workers.ts'] },
    // One counts here, the other in what all nodes share.
    'rate-limiter-flexible': { in: ['platform/rate-limiter.ts', 'platform/accelerator/redis.ts'] },
    redis: { in: ['platform/accelerator/redis-connection.ts'] },
    uuid: {
      in: ['accounts/', 'api-keys/', 'audit/', 'clients/', 'platform/mail/', 'platform/outbox/', 'platform/scheduler/'],
    },
    // Shapes of what comes from outside: variables, and what a developer registers.
    zod: { in: ['config/', 'clients/', 'api-keys/', 'management/'] },
    'zod-openapi': { in: ['management/openapi.ts'] },
  };

  const packages = imports.filter(({ to }) => !isOurs(to) && !to.startsWith('node:'));

  test('and in no other', () => {
    const elsewhere = packages.filter(({ from, to, typeOnly }) => {
      const home = homes[packageOf(to)];
      if (home && typeOnly && home.types !== false) return false;
      return !home?.in.some((place) => (place.endsWith('/') ? from.startsWith(place) : from === place));
    });
    expect(elsewhere).toEqual([]);
  });

  test('and nobody reaches into a package', () => {
    const entrances = ['eta/core'];
    expect(packages.filter(({ to }) => to !== packageOf(to) && !entrances.includes(to))).toEqual([]);
  });

  test('what is loaded is a dependency, and every dependency is loaded', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const loaded = new Set(packages.filter(({ typeOnly }) => !typeOnly).map(({ to }) => packageOf(to)));
    // The generated client loads it.
    loaded.add('@prisma/client');
    expect([...loaded].toSorted()).toEqual(Object.keys(dependencies).toSorted());
  });

  test('the verifier depends on jose alone', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'packages/verify/package.json'), 'utf8'));
    expect(Object.keys(dependencies)).toEqual(['jose']);
  });
});

test('the generated Prisma client appears in stores only', () => {
  const allowed = ['platform/database/database.ts', 'provider/revocation.ts'];
  const elsewhere = imports.filter(
    ({ from, to }) => folderOf(to) === 'generated' && !from.endsWith('.store.ts') && !allowed.includes(from),
  );
  expect(elsewhere).toEqual([]);
});

describe('in every source file', () => {
  const lines = sources.flatMap(({ path, text }) =>
    text.split('\n').map((line, index) => ({ at: `${path}:${index + 1}`, line })),
  );
  const withoutComments = lines.filter(({ line }) => !/^\s*(?:\/?\*|\/\/)/.test(line));

  test.each<[string, RegExp, string[]]>([
    ['the environment is read in config only', /process\.env/, ['config/load.ts']],
    ['nothing is printed past the logger', /console\./, ['provider/engine.ts']],
    ['foreign errors are told apart by code or name, not by class', /instanceof \w*Error/, []],
    // Prepared SQL with parameters, in the transaction of the change; Prisma has no other way to run it there.
    [
      'SQL is not put together through the ORM',
      /\$(?:query|execute)RawUnsafe/,
      [
        'audit/audit.store.ts',
        'signing-keys/key-rows.ts',
        'signing-keys/key-transaction.ts',
        'signing-keys/secret-store.ts',
      ],
    ],
    ['exports have names', /export default/, []],
    ['a suppression gives its reason', /biome-ignore [\w/]+$|@ts-(?:ignore|nocheck)/, []],
    ['there are no notes to nobody', /\b(?:FIXME|XXX|HACK)\b|TODO(?!\()/, []],
  ])('%s', (_rule, pattern, allowed) => {
    const found = withoutComments.filter(({ at, line }) => pattern.test(line) && !allowed.includes(at.split(':')[0]!));
    expect(found).toEqual([]);
  });

  test('there is one topic: no file is longer than 300 lines, none is called after nothing', () => {
    expect(sources.filter(({ text }) => text.split('\n').length > 300).map(({ path }) => path)).toEqual([]);
    const named = sources.filter(
      ({ path }) =>
        !path.split('/').every((part) => /^[a-z\d]+(?:-[a-z\d]+)*(?:\.store|\.routes)?(?:\.ts)?$/.test(part)),
    );
    expect(named.map(({ path }) => path)).toEqual([]);
    expect(
      sources
        .filter(({ path }) => /\b(?:utils?|helpers?|common|misc|shared)\b(?!-)/.test(path))
        .map(({ path }) => path),
    ).toEqual([]);
  });
});

test('every folder opens with a README of at most 15 lines', () => {
  const pages = folders.map((folder) => {
    const path = join(root, 'src', folder, 'README.md');
    return [folder, existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').length : 0] as const;
  });
  expect(pages.filter(([, length]) => length < 3 || length > 15)).toEqual([]);
});

test('every relative link in the papers leads to a file', () => {
  const papers = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...listed('docs')].filter((path) =>
    path.endsWith('.md'),
  );
  const broken = papers
    .filter((path) => existsSync(join(root, path)))
    .flatMap((path) => {
      const links = readFileSync(join(root, path), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g);
      return [...links].map(([, link]) => ({ path, link: link! }));
    })
    .filter(({ path, link }) => !existsSync(join(root, dirname(path), link)));
  expect(broken).toEqual([]);
});

function listed(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path));
}

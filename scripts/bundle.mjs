// Compiles `src/` and the packages that it loads into few files, because a start pays for each file that it opens (decision 0017).
// `node scripts/bundle.mjs <folder>`; a process of its own, so that whoever builds and then serves keeps none of its memory.
import { hash } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import { relative as relativeUrl } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What is run, and what scripts, the benchmark and the faults take parts of the service from. Packages: the ones the service has. */
const ENTRIES = {
  main: 'src/main.ts',
  cli: 'src/cli.ts',
  services: 'src/services.ts',
  'config/load': 'src/config/load.ts',
  'config/schema': 'src/config/schema.ts',
  'management/openapi': 'src/management/openapi.ts',
  'platform/errors': 'src/platform/errors.ts',
  'upstreams/registry': 'src/upstreams/registry.ts',
  pg: 'pg',
  redis: 'redis',
};

/** Native code, WebAssembly, data: what finds its own files beside itself. And what is only loaded for traces. */
const APART = [
  /^@electric-sql\/pglite(?:\/|$)/,
  /^@node-rs\/argon2$/,
  /^bcrypt$/,
  /^@opentelemetry\//,
  /^@zxcvbn-ts\/language-common$/,
  // `debug` takes it where it happens to be, which is among the packages of development: no image has its licence.
  /^supports-color$/,
];

const COMPILER = '@prisma/client/runtime/query_compiler_small_bg.postgresql.wasm-base64.mjs';

/** Prisma's compiler of queries, under a name that is its content's: a process from before an upgrade finds none that is not its own. */
let compiler;

async function readCompiler() {
  const { wasm } = await import(COMPILER);
  const source = Buffer.from(wasm, 'base64');
  return { name: `query-compiler-${hash('sha256', source).slice(0, 8)}.wasm`, source };
}

/**
 * What packages ask of Node that costs more than the answer is worth. Each stands for the same answer; a version of the package in
 * which a place is not found fails the build.
 */
const CHEAPER = [
  {
    // Naming `Response` or `ReadableStream` loads Node's whole `fetch`: 12 MiB and as much time as an eighth of a start. A value has
    // the class exactly when it has its tag.
    file: /\/node_modules\/koa\/lib\/(?:response|application)\.js$/,
    from: /\b(\w+) instanceof (ReadableStream|Response|Blob)\b/g,
    to: "Object.prototype.toString.call($1) === '[object $2]'",
  },
  {
    // To find out whether it runs in Cloudflare it makes a `Response`, where Node has no `navigator`: before version 21.
    file: /\/node_modules\/pg\/lib\/stream\.js$/,
    from: '= getStreamFuncs()',
    to: '= getNodejsStreamFuncs()',
  },
  {
    // As a text in a module, Prisma's compiler of queries is in memory three times.
    file: /\/src\/generated\/prisma\/internal\/class\.ts$/,
    from: /const \{ wasm \} = await import\("([^"]*\.wasm-base64\.mjs)"\)\s+return await decodeBase64AsWasm\(wasm\)/,
    to: () => `const { readFile } = await import('node:fs/promises');
    return WebAssembly.compile(await readFile(new URL('./${compiler.name}', import.meta.url)));`,
  },
];

const makeCheaper = {
  name: 'cheaper',
  transform(code, id) {
    const { from, to } = CHEAPER.find(({ file }) => file.test(id.replaceAll('\\', '/'))) ?? {};
    if (from === undefined) return undefined;
    const changed = code.replace(from, to);
    if (changed === code) this.error(`${id} has no ${from} any more: see CHEAPER in scripts/bundle.mjs`);
    return { code: changed, map: null };
  },
  async buildStart() {
    compiler = await readCompiler();
    this.emitFile({ type: 'asset', fileName: `generated/prisma/internal/${compiler.name}`, source: compiler.source });
  },
};

/** A source finds files by where it is: as if each were still a file of its own, `dist/a/b.js` for `src/a/b.ts`. */
const placeOf = {
  name: 'places',
  transform(code, id) {
    const path = relative(join(root, 'src'), id).replaceAll('\\', '/');
    if (path.startsWith('..') || !code.includes('import.meta.url')) return undefined;
    const place = JSON.stringify(path.replace(/\.ts$/, '.js'));
    return { code: code.replaceAll('import.meta.url', `__place(${place})`), map: null };
  },
  renderChunk(code, { fileName }) {
    const changed = code
      .replace(/__place\("([^"]+)"\)/g, (_, path) => {
        const way = relativeUrl(join(fileName, '..').replaceAll('\\', '/'), path);
        return fileName === path ? 'import.meta.url' : `new URL(${JSON.stringify(way)}, import.meta.url).href`;
      })
      // One character beyond Latin-1 doubles what a file takes in memory.
      .replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
    return changed === code ? null : { code: changed, map: null };
  },
};

/** @param output where to, an absolute path */
export async function bundle(output) {
  const bundle = await rolldown({
    cwd: root,
    input: ENTRIES,
    platform: 'node',
    tsconfig: false,
    transform: { target: 'es2023' },
    external: (id) => APART.some((name) => name.test(id)),
    plugins: [makeCheaper, placeOf],
    onLog(level, { code, message }, report) {
      // A package that evaluates code is none of ours to change.
      if (code !== 'EVAL') report(level, message);
    },
  });
  await bundle.write({
    dir: output,
    format: 'esm',
    entryFileNames: '[name].js',
    // Whoever still runs from the files before these finds none of these under the names it knows.
    chunkFileNames: 'chunks/[name]-[hash].js',
    sourcemap: true,
    comments: false,
    // Not even the little that is done unless told: it writes characters as they are again.
    minify: false,
  });
  await bundle.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , output] = process.argv;
  if (!output) throw new Error('Where to? node scripts/bundle.mjs dist');
  await bundle(join(root, relative(root, output)));
}

// What an image leaves out of its production dependencies: files that Node never loads. `node scripts/prune.mjs node_modules`
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** For people and compilers (Node refuses TypeScript below node_modules); a stack trace of a dependency has the place in its own code. */
const FOR_OTHERS = /\.(?:map|[cm]?tsx?|markdown|flow|tsbuildinfo)$|(?:^|\/)(?:CHANGELOG|HISTORY)(?:\.md)?$/i;
/** Some packages have their licence in it and nowhere else; then it has to go along. */
const README = /^README(?:\.md)?$/i;
const LICENCE = /^(?:licen[cs]e|copying|notice)/i;
/** The generated client names one of these, for PostgreSQL and small; a browser and an edge runtime are not served. */
const OTHER_DATABASES =
  /@prisma\/client\/runtime\/(?:query_compiler_(?!small_bg\.postgresql)|wasm-compiler-edge|index-browser\.js$)/;
/** The same package once more, for bundlers. */
const BUILDS_FOR_BUNDLERS = ['build/esm', 'build/esnext'];

/** @param path below node_modules, with slashes */
export function isLoadedNever(path) {
  return FOR_OTHERS.test(path) || OTHER_DATABASES.test(path) || path.startsWith('@types/');
}

/** Whether Node itself would ever resolve to that build of the package in this folder. */
function isForBundlers(folder, build) {
  const { main = '', exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const entrances = `${main} ${JSON.stringify(exports ?? '')}`;
  return !entrances.includes(build) && /\bbuild\/src\b/.test(entrances);
}

/** Removes it all, and the folders that were left empty. Returns the bytes. */
export function prune(modules) {
  let bytes = 0;
  const visit = (folder) => {
    for (const build of BUILDS_FOR_BUNDLERS) {
      const path = join(folder, build);
      if (existsSync(path) && existsSync(join(folder, 'package.json')) && isForBundlers(folder, build)) {
        bytes += sizeOf(path);
        rmSync(path, { recursive: true });
      }
    }
    const entries = readdirSync(folder, { withFileTypes: true });
    const names = entries.map(({ name }) => name);
    const hasLicenceInReadme = names.includes('package.json') && !names.some((name) => LICENCE.test(name));
    for (const entry of entries) {
      const path = join(folder, entry.name);
      const isNeedless =
        isLoadedNever(path.slice(modules.length + 1).replaceAll(sep, '/')) ||
        (README.test(entry.name) && !hasLicenceInReadme);
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile() && isNeedless) {
        bytes += statSync(path).size;
        rmSync(path);
      }
    }
    if (folder !== modules && readdirSync(folder).length === 0) rmdirSync(folder);
  };
  visit(modules);
  return bytes;
}

/** Bytes of all files. */
export function sizeOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, path, name }) => sum + statSync(join(parentPath ?? path, name)).size, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , modules] = process.argv;
  if (!modules) throw new Error('Which folder? node scripts/prune.mjs node_modules');
  const removed = prune(modules);
  const megabytes = (bytes) => Math.round(bytes / 1e6);
  console.log(`Removed ${megabytes(removed)} MB, ${megabytes(sizeOf(modules))} MB are left.`);
}

// The demo's Google and Discord: a process that speaks the protocols of both and lets whoever comes choose who to be.
// It is the imitation that the tests use, compiled here because what compiles for tests is not installed everywhere.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './prepare.mjs';

const PEOPLE = [
  { subject: '108400000000000001', name: 'Han Sori', email: 'sori@maru.example', verified: true },
  { subject: '108400000000000002', name: 'Kim Minjun', email: 'minjun@maru.example', verified: true },
  {
    subject: '108400000000000003',
    name: 'Nam Bora (address never checked)',
    email: 'bora@maru.example',
    verified: false,
  },
];

const { startFakeUpstream } = await import(pathToFileURL(compileImitation()).href);
const upstream = await startFakeUpstream({
  port: Number(process.env.PORT),
  clientSecret: process.env.CLIENT_SECRET,
});
upstream.register(process.env.ISSUER);
for (const { people } of [upstream.google, upstream.discord]) people.push(...PEOPLE);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => upstream.close());

/** With what it takes of the service's sources, beside the service's own output: the next build removes it. */
function compileImitation() {
  const output = join(root, 'dist/demo');
  const options = {
    target: 'es2023',
    module: 'nodenext',
    verbatimModuleSyntax: 'true',
    rewriteRelativeImportExtensions: 'true',
    rootDir: '.',
    outDir: output,
  };
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/typescript/bin/tsc'),
      ...['--ignoreConfig', '--noCheck'],
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
      'test/support/fake-upstream.ts',
    ],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`The imitation does not compile: ${stdout}${stderr}`);
  return join(output, 'test/support/fake-upstream.js');
}

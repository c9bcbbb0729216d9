import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface LockedPackage {
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

/**
 * Paths (`node_modules/a`, `node_modules/a/node_modules/b`) of what `dependencies` of package.json lead to. The marks of the lock
 * file say something else: there a package counts as production also when only an example depends on it.
 */
export function productionPackages(): Set<string> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const reached = new Set<string>();
  const visit = (path: string) => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = packages[path]!;
    const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
    for (const name of [...Object.keys(dependencies ?? {}), ...(path ? peers : [])]) {
      const found = resolve(path, name);
      if (found === undefined) throw new Error(`${path} needs ${name}, which package-lock.json does not have`);
      if (reached.has(found)) continue;
      reached.add(found);
      visit(found);
    }
  };
  /** As Node looks for it: in the package's own folder, then in those around it. */
  const resolve = (from: string, name: string): string | undefined => {
    for (let folder = from; ; folder = dirname(folder)) {
      const path = folder === '.' || folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
      if (packages[path]) return path;
      if (folder === '.' || folder === '') return undefined;
    }
  };
  visit('');
  return reached;
}

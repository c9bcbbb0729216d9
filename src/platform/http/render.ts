import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Eta } from 'eta/core';

export interface Templates {
  names: string[];
  /** HTML; whatever `<%= %>` prints is escaped. */
  render(name: string, data: object): string;
}

/**
 * Compiles every `*.eta` of the folders once; a file in a later folder replaces the one of the same name in an earlier one. Templates
 * find each other by name, and nothing is read from disk afterwards.
 * @throws when a template is missing or does not compile, naming all of them
 */
export function loadTemplates({ folders, required }: { folders: string[]; required: readonly string[] }): Templates {
  const eta = new Eta({ autoEscape: true, cache: true });
  const problems: string[] = [];
  const files = new Map<string, string>();
  for (const folder of folders) {
    if (!existsSync(folder)) problems.push(`the folder ${folder} does not exist`);
    else for (const file of templateFiles(folder)) files.set(basename(file, '.eta'), file);
  }
  for (const [name, file] of files) {
    const source = readFileSync(file, 'utf8');
    for (const other of referencedTemplates(source)) {
      if (!files.has(other)) problems.push(`${file}: uses the template "${other}", which does not exist`);
    }
    try {
      eta.loadTemplate(name, source);
    } catch (error) {
      problems.push(`${file}: ${(error as Error).message.trim().split('\n').slice(0, 3).join(' ')}`);
    }
  }
  for (const name of required) if (!files.has(name)) problems.push(`${name}.eta is missing in ${folders.join(', ')}`);
  if (problems.length) throw new Error(`Templates cannot be used:\n${problems.map((line) => `- ${line}`).join('\n')}`);
  return {
    names: [...files.keys()],
    render: (name, data) => eta.render(name, data),
  };
}

function templateFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.eta'))
    .map((name) => join(folder, name));
}

function referencedTemplates(source: string): string[] {
  return [...source.matchAll(/\b(?:include|layout)\(\s*['"]([^'"]+)['"]/g)].map((match) => match[1]!);
}

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const directory = new URL('./readme/', import.meta.url);
const examples = readdirSync(directory);

/** The examples are files that the type check compiles; the README shows them word for word. */
test.each(examples)('the README shows %s as it compiles', (name) => {
  const code = readFileSync(new URL(name, directory), 'utf8');
  expect(readme).toContain(`<!-- ${name} -->\n\`\`\`ts\n${code}\`\`\`\n`);
});

test('the README shows no other code', () => {
  expect(readme.match(/^```ts$/gm)).toHaveLength(examples.length);
});

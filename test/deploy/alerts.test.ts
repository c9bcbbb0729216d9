import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { findProgram } from '../support/deployed-service.ts';

// That every metric and every label is one of ours, test/flows/metrics.test.ts looks at, beside a service that runs.
const root = new URL('../../', import.meta.url);
const rules = new URL('docs/grafana/alerts.yaml', root);
const promtool = findProgram('promtool');

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  annotations: Record<string, string>;
}
const groups: { name: string; rules: Rule[] }[] = parse(readFileSync(rules, 'utf8')).groups;

// Where there is no Prometheus, what it asks of a rule is looked at by the next tests alone.
if (promtool) {
  test('Prometheus takes the rules for alerts', () => {
    const said = execFileSync(promtool, ['check', 'rules', fileURLToPath(rules)], { encoding: 'utf8' });
    expect(said).toContain(`SUCCESS: ${groups.flatMap((group) => group.rules).length} rules found`);
  });
}

/** @see https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/ */
test('the rules for alerts have what Prometheus asks of one, and each a name and a summary of its own', () => {
  const all = groups.flatMap((group) => group.rules);
  expect(groups.map(({ name }) => name)).toEqual(['daemun']);
  expect(all.length).toBeGreaterThan(10);
  for (const rule of all) {
    const known = ['alert', 'expr', 'for', 'annotations'];
    expect(Object.keys(rule).filter((key) => !known.includes(key))).toEqual([]);
    expect(rule.alert).toMatch(/^Daemun[A-Za-z]+$/);
    expect(rule.for ?? '1m').toMatch(/^\d+[smh]$/);
    expect(Object.keys(rule.annotations)).toEqual(['summary']);
    // Besides, a summary has only what a label or the value stands for.
    expect(rule.annotations.summary!.replace(/\{\{ \$(?:labels\.\w+|value)(?: \| \w+)? \}\}/g, '')).not.toMatch(
      /[{}$]/,
    );
    expect(hasPairs(rule.expr)).toBe(true);
  }
  for (const values of [all.map(({ alert }) => alert), all.map(({ annotations }) => annotations.summary)]) {
    expect(new Set(values).size).toBe(values.length);
  }
});

test('what a summary names is a label that its expression leaves', () => {
  const wrong = groups
    .flatMap((group) => group.rules)
    .filter(({ expr, annotations }) => {
      const named = [...annotations.summary!.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
      const by = /^\w+ by \(([\w, ]+)\)/.exec(expr)?.[1]?.split(', ');
      // What is not put together keeps all labels that it had.
      const isWhole = !/\b(?:sum|min|max|avg|histogram_quantile)\b/.test(expr);
      return !named.every((label) => (by ? by.includes(label) : isWhole));
    });
  expect(wrong).toEqual([]);
});

test('what alerts and the dashboard look for in a label is a word of the code', () => {
  const words = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => readFileSync(new URL(`src/${path}`, root), 'utf8').match(/(?<=')[\w.-]+(?=')/g) ?? []);
  const { panels } = JSON.parse(readFileSync(new URL('docs/grafana/daemun.json', root), 'utf8'));
  const shown: string[] = panels.flatMap(({ targets = [] }: { targets?: { expr: string }[] }) =>
    targets.map(({ expr }) => expr),
  );
  const watched = groups.flatMap((group) => group.rules.map(({ expr }) => expr));
  const values = [...shown, ...watched].flatMap((expression) =>
    [...expression.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)]
      .filter(([, label]) => !['job', 'instance', 'status'].includes(label!))
      // Of words beside each other each is looked for, of other patterns one that fits.
      .flatMap(([, , value]) => (/^[\w.|-]+$/.test(value!) ? value!.split('|') : [value!])),
  );
  expect(values.length).toBeGreaterThan(5);
  expect(values.filter((value) => !words.some((word) => new RegExp(`^(?:${value})$`).test(word)))).toEqual([]);
});

/** Brackets of each kind are closed in order, outside of what is quoted. */
function hasPairs(expression: string): boolean {
  let left = expression.replace(/"[^"]*"/g, '').replace(/[^()[\]{}]/g, '');
  for (let before = ''; before !== left; ) {
    before = left;
    left = left.replace(/\(\)|\[\]|\{\}/g, '');
  }
  return left === '';
}

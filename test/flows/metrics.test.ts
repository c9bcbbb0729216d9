import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { registerMachine, startWholeService, type WholeService } from '../support/whole-service.ts';

const root = new URL('../../', import.meta.url);

let whole: WholeService;
let secret: string;
beforeAll(async () => {
  whole = await startWholeService();
  ({ secret } = await registerMachine(whole));
}, 240_000);
afterAll(() => whole.close(), 60_000);

async function figures(): Promise<string> {
  return (await fetch(whole.metricsUrl)).text();
}

/** Events are counted once their rows are stored, which answers do not wait for. */
async function figuresWith(...lines: string[]): Promise<string> {
  for (let tries = 0; ; tries++) {
    const text = await figures();
    const missing = lines.filter((line) => !text.split('\n').includes(line));
    if (missing.length === 0) return text;
    if (tries >= 200) expect([missing, text]).toEqual([[], text]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function askForToken(password: string, grantType: string): Promise<number> {
  const answer = await fetch(`${whole.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`machine:${password}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: grantType }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

test('what happens at the token endpoint is counted, and what strangers write is not repeated', async () => {
  expect(await askForToken(secret, 'client_credentials')).toBe(200);
  expect(await askForToken('wrong', 'client_credentials')).toBe(401);
  expect(await askForToken(secret, 'made-up-by-a-stranger')).toBe(400);
  const text = await figuresWith(
    'daemun_tokens_issued_total{grant_type="client_credentials",kind="access_token"} 1',
    'daemun_tokens_refused_total{error="invalid_client"} 1',
    'daemun_events_total{type="token.issued"} 1',
    'daemun_events_total{type="token.refused"} 2',
    // The playground's is the other.
    'daemun_events_total{type="client.created"} 2',
    'daemun_http_requests_total{route="token",method="POST",status="200"} 1',
    'daemun_http_requests_total{route="token",method="POST",status="401"} 1',
    'daemun_http_request_seconds_count{route="token"} 3',
  );
  expect(text).not.toContain('made-up');
  expect(text).not.toContain('machine');
}, 60_000);

test('requests are counted by the names of their routes', async () => {
  const paths = [
    '/.well-known/jwks.json',
    '/.well-known/openid-configuration',
    '/healthz',
    '/',
    '/setup/some-token',
    '/interaction/somebody',
    `/authorize/${'x'.repeat(43)}`,
    '/wp-login.php',
    '/Token',
  ];
  for (const path of paths) await (await fetch(`${whole.issuer}${path}`, { redirect: 'manual' })).arrayBuffer();
  const routes = ['jwks', 'discovery', 'healthz', '/', '/setup/:token', '/interaction/:uid', 'resume'];
  const text = await figuresWith(
    ...routes.map((route) => `daemun_http_request_seconds_count{route="${route}"} 1`),
    'daemun_http_request_seconds_count{route="other"} 2',
  );
  expect(text).not.toContain('some');
}, 60_000);

async function known(): Promise<Map<string, string>> {
  const types = (await figures()).matchAll(/^# TYPE (\w+) (\w+)$/gm);
  return new Map([...types].map(([, name, type]) => [name!, type!]));
}

const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const rowsOfDocs = () =>
  [...read('docs/metrics.md').matchAll(/^\| `(daemun_\w+)(?:\{([\w,]+)\})?.*/gm)].map(([row, name, labels]) => ({
    name: name!,
    labels: labels?.split(',') ?? [],
    isConditional: /only with `[A-Z_]+`/.test(row),
  }));

const expressionsOfDashboard = (): string[] =>
  JSON.parse(read('docs/grafana/daemun.json')).panels.flatMap(({ targets = [] }: { targets?: { expr: string }[] }) =>
    targets.map(({ expr }) => expr),
  );

const alerts = (): { alert: string; expr: string; for?: string }[] =>
  parse(read('docs/grafana/alerts.yaml')).groups[0].rules;

test('every expression of the dashboard and of the alerts asks for metrics that exist', async () => {
  // Those of what this service runs without are there when it is.
  const names = new Set(rowsOfDocs().flatMap(({ name, isConditional }) => (isConditional ? [name] : [])));
  for (const [name, type] of await known()) {
    for (const part of type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) names.add(name + part);
  }
  const namesIn = (expression: string) => expression.match(/\b(?:daemun|process|nodejs)_\w+|^up\b/g) ?? [];
  const asked = expressionsOfDashboard();
  expect(asked.length).toBeGreaterThan(15);
  names.add('up');
  const wrong = [...asked, ...alerts().map(({ expr }) => expr)].filter((expression) => {
    const used = namesIn(expression);
    return used.length === 0 || !used.every((name) => names.has(name));
  });
  expect(wrong).toEqual([]);
  const inDocs = readdirSync(new URL('docs/', root)).filter((file) => file.endsWith('.md'));
  const mentioned = inDocs.flatMap((file) => read(`docs/${file}`).match(/\bdaemun_\w+(?=[{)[`])/g) ?? []);
  for (const { name } of rowsOfDocs()) names.add(name);
  // Two roles of the database and a type of token.
  for (const other of ['daemun_app', 'daemun_owner', 'daemun_api_key']) names.add(other);
  expect(mentioned.filter((name) => !names.has(name))).toEqual([]);
  // And the dashboard shows all of ours.
  const shown = new Set(asked.flatMap(namesIn).map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));
  expect(rowsOfDocs().filter(({ name }) => !shown.has(name))).toEqual([]);
});

test('every expression asks for labels that its metrics have, and none of ours is one that Prometheus sets itself', () => {
  const rows = rowsOfDocs();
  const given = ['job', 'instance'];
  expect(rows.filter(({ labels }) => labels.some((label) => given.includes(label)))).toEqual([]);
  const labelsOf = new Map(rows.map(({ name, labels }) => [name, new Set([...labels, ...given])]));
  const texts = [...expressionsOfDashboard(), ...alerts().map(({ expr }) => expr)];
  const wrong = texts.filter((expression) => {
    const names = [...expression.matchAll(/\b(daemun_\w+?)(_bucket)?(?=[{[)\s]|$)/g)].map(([, name]) => name!);
    const labels = new Set(names.flatMap((name) => [...(labelsOf.get(name) ?? [])]).concat('le'));
    const matched = [...expression.matchAll(/[{,]\s*(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!);
    const grouped = [...expression.matchAll(/\bby \(([\w, ]+)\)/g)].flatMap(([, some]) => some!.split(', '));
    const jobs = [...expression.matchAll(/\bjob=~?"([^"]*)"/g)].map(([, job]) => job!);
    if (!jobs.every((job) => ['$job', 'daemun'].includes(job))) return true;
    return names.length > 0 && ![...matched, ...grouped].every((label) => labels.has(label));
  });
  expect(wrong).toEqual([]);
});

test('docs/operations.md tells of every alert as it is in the file of rules', () => {
  const section = read('docs/operations.md').split('## What to alert on')[1]!.split('\n## ')[0]!;
  const told = [...section.matchAll(/^\| .*? \| `(.*)`(?: for (\d+) m)? \|$/gm)].map(([, expr, minutes]) => ({
    expr: expr!.replaceAll('\\|', '|'),
    for: minutes && `${minutes}m`,
  }));
  expect(told).toEqual(alerts().map((rule) => ({ expr: rule.expr, for: rule.for })));
});

test('docs/metrics.md has every metric of ours, and no other', async () => {
  const rows = rowsOfDocs();
  const named = (some: typeof rows) => some.map(({ name }) => name);
  const ours = [...(await known()).keys()].filter((name) => name.startsWith('daemun_'));
  expect(named(rows.filter(({ isConditional }) => !isConditional)).toSorted()).toEqual(ours.toSorted());
  const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(new URL(`src/${path}`, root), 'utf8'))
    .join('');
  expect(named(rows).filter((name) => !sources.includes(`'${name}'`))).toEqual([]);
});

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  account,
  createBrowser,
  csrfIn,
  LINK,
  linkWithoutPassword,
  pendingConsent,
  pendingLogin,
  type Service,
  UID,
  useService,
} from './service.ts';

type Faked = Pick<Service, 'world'>;

/** Every address of the hosted screens, and what a browser gets that asks for it properly. */
interface Row {
  /** As the router has it. */
  route: string;
  path: string;
  /** Without any: only looked at. */
  form?: { page: string; fields: Record<string, string>; status: number };
  status: number;
  /** What the fakes behind the screens answer for it. */
  arrange?: (service: Faked) => void;
}

const interaction = `/interaction/${UID}`;
const password = 'four unrelated words';

const forSetup = ({ world }: Faked) => world.findLink.mockResolvedValue({ purpose: 'setup' });
const forSetPassword = ({ world }: Faked) => world.findLink.mockResolvedValue({ purpose: 'set_password', account });
const withLogo = ({ world }: Faked) => {
  const client = { id: 'maru', name: 'Maru', isFirstParty: false, logoUri: 'https://maru.example/logo.png' };
  world.pending = pendingLogin({ client });
  world.fetchPicture.mockResolvedValue({ type: 'image/png', body: Buffer.from('PNG') });
};
const forConsent = ({ world }: Faked) => {
  world.pending = pendingConsent();
};

const forProof = ({ world }: Faked) => {
  world.findPendingLink.mockResolvedValue(linkWithoutPassword('discord'));
};

const ROWS: Row[] = [
  { route: '/', path: '/', status: 200 },
  { route: '/assets/:file', path: '/assets/daemun.css', status: 200 },
  { route: '/favicon.ico', path: '/favicon.ico', status: 200 },
  { route: '/language/:locale', path: '/language/ko', status: 303 },
  { route: '/playground', path: '/playground', status: 200 },
  { route: '/playground/callback', path: '/playground/callback', status: 200 },
  { route: '/mailbox', path: '/mailbox', status: 200 },
  {
    route: '/setup/:token',
    path: '/setup/the-token',
    status: 200,
    form: { page: '/setup/the-token', fields: { user_name: 'jiwoo', password }, status: 200 },
    arrange: forSetup,
  },
  {
    route: '/set-password/:token',
    path: '/set-password/the-token',
    status: 200,
    form: { page: '/set-password/the-token', fields: { password }, status: 200 },
    arrange: forSetPassword,
  },
  { route: '/interaction/:uid', path: interaction, status: 200 },
  { route: '/interaction/:uid/logo', path: `${interaction}/logo`, status: 200, arrange: withLogo },
  {
    route: '/interaction/:uid/login',
    path: `${interaction}/login`,
    status: 405,
    form: { page: interaction, fields: { email: 'jiwoo', password }, status: 303 },
  },
  {
    route: '/interaction/:uid/upstream/:provider',
    path: `${interaction}/upstream/google`,
    status: 303,
    form: { page: interaction, fields: {}, status: 303 },
  },
  {
    route: '/interaction/:uid/upstream/:provider/:problem',
    path: `${interaction}/upstream/google/cancelled`,
    status: 200,
  },
  { route: '/callback/:provider', path: '/callback/google', status: 303 },
  { route: '/callback/:provider/:problem', path: '/callback/google/unknown', status: 400 },
  {
    route: '/interaction/:uid/link/:link',
    path: `${interaction}/link/${LINK}`,
    status: 200,
    form: { page: `${interaction}/link/${LINK}`, fields: { password }, status: 303 },
  },
  {
    route: '/interaction/:uid/link/:link/:provider',
    path: `${interaction}/link/${LINK}/discord`,
    status: 405,
    form: { page: interaction, fields: {}, status: 303 },
    arrange: forProof,
  },
  {
    route: '/interaction/:uid/consent',
    path: `${interaction}/consent`,
    status: 405,
    form: { page: interaction, fields: { decision: 'allow' }, status: 303 },
    arrange: forConsent,
  },
  {
    route: '/interaction/:uid/abort',
    path: `${interaction}/abort`,
    status: 405,
    form: { page: interaction, fields: {}, status: 303 },
  },
];

const looked = ROWS.filter(({ status }) => status !== 405);
const sent = ROWS.filter((row): row is Row & Required<Pick<Row, 'form'>> => row.form !== undefined);

const service = useService();

function whatIsDone({ world }: Faked) {
  return [
    world.withPassword,
    world.completeSetup,
    world.completeSetPassword,
    world.begin,
    world.completeLink,
    world.finishUpstream,
  ];
}

/** What the forms exist for has happened. */
function done(): number {
  const calls = whatIsDone(service).map(({ mock }) => mock.calls.length);
  return service.world.results.length + calls.reduce((sum, count) => sum + count);
}

/** A browser that has the page of the form open, and what it would send. */
async function openForm({ form, arrange }: (typeof sent)[number]) {
  arrange?.(service);
  const browser = createBrowser(service.issuer);
  const page = await browser.get(form.page);
  const shown = /name="shown" value="([^"]+)"/.exec(page.html)?.[1];
  const fields = new URLSearchParams({ csrf: csrfIn(page), ...(shown && { shown }), ...form.fields });
  return { browser, fields };
}

test('the table has every route that there is', () => {
  const source = readFileSync(new URL('../../src/interactions/interactions.routes.ts', import.meta.url), 'utf8');
  const routes = [...source.matchAll(/routes\.(?:get|post)\('([^']+)'/g)].map(([, path]) => path);
  expect(ROWS.map(({ route }) => route).toSorted()).toEqual([...new Set(routes)].toSorted());
});

describe.each(sent)('the form $route', (row) => {
  const send = (browser: ReturnType<typeof createBrowser>, body: string, headers: Record<string, string> = {}) =>
    browser.send(row.path, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    });

  test('is taken as a browser sends it', async () => {
    const { browser, fields } = await openForm(row);
    expect((await send(browser, String(fields))).status).toBe(row.form.status);
    expect(done()).toBeGreaterThan(0);
  });

  test.each([
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded; charset=utf-16',
    'nonsense',
  ])('S-170 is refused as %s', async (type) => {
    const { browser, fields } = await openForm(row);
    expect([(await send(browser, String(fields), { 'Content-Type': type })).status, done()]).toEqual([415, 0]);
  });

  test('S-172 is refused with any of its fields twice', async () => {
    for (const name of [...(await openForm(row)).fields.keys()]) {
      const { browser, fields } = await openForm(row);
      fields.append(name, fields.get(name)!);
      expect([name, (await send(browser, String(fields))).status, done()]).toEqual([name, 400, 0]);
    }
  });

  test('S-170 is refused when it is too large', async () => {
    const { browser, fields } = await openForm(row);
    fields.set('more', 'x'.repeat(64 * 1024));
    expect([(await send(browser, String(fields))).status, done()]).toEqual([413, 0]);
  });

  test.each<[string, (value: string) => string | undefined]>([
    ['absent', () => undefined],
    ['another', () => 'A'.repeat(43)],
    ['cut short', (value) => value.slice(0, -1)],
    ['no such thing', () => '{"a":1}'],
  ])('S-170 is refused when the browser’s cookie is %s', async (_, forge) => {
    const { browser, fields } = await openForm(row);
    const forged = forge(browser.jar.get('daemun_browser')!);
    if (forged === undefined) browser.jar.delete('daemun_browser');
    else browser.jar.set('daemun_browser', forged);
    expect([(await send(browser, String(fields))).status, done()]).toEqual([403, 0]);
  });

  test.each([
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { Origin: 'https://evil.example' },
  ])('S-170 is refused when another site sends it: %j', async (headers) => {
    const { browser, fields } = await openForm(row);
    expect([(await send(browser, String(fields), headers as never)).status, done()]).toEqual([403, 0]);
  });
});

test('S-170 a method that nobody knows, at a path that nobody knows, finds nothing', async () => {
  expect((await createBrowser(service.issuer).send('/nowhere', { method: 'PROPFIND' })).status).toBe(404);
});

describe.each(ROWS)('$route', ({ path, status, form, arrange }) => {
  const allowed = [...(status === 405 ? [] : ['GET', 'HEAD']), ...(form ? ['POST'] : [])];
  const ask = (method: string, headers: Record<string, string> = {}) => {
    arrange?.(service);
    return createBrowser(service.issuer).send(path, { method, headers });
  };

  test.each(
    ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'MKCOL'].filter((method) => !allowed.includes(method)),
  )('S-170 does not take %s, and says so in the words of whoever asks', async (method) => {
    const page = await ask(method, { Accept: 'text/html' });
    expect([page.status, page.headers.get('Content-Type')]).toEqual([405, 'text/html; charset=utf-8']);
    expect(page.headers.get('Allow')!.split(', ').toSorted()).toEqual(allowed.toSorted());
    const problem = await ask(method, { Accept: 'application/json' });
    expect([problem.status, problem.headers.get('Content-Type')]).toEqual([405, 'application/problem+json']);
    expect(done()).toBe(0);
  });

  test('S-024 cannot be framed, neither what it shows nor how it refuses', async () => {
    const answers = [await ask('GET'), await ask('PUT'), ...(form ? [await ask('POST')] : [])];
    expect(answers.map((answer) => answer.status)).toEqual([status, 405, ...(form ? [415] : [])]);
    for (const { headers } of answers) {
      const policy = headers.get('Content-Security-Policy')!;
      // A sandbox without any permission is what pictures and styles of others are shown in.
      expect(policy).toMatch(/frame-ancestors 'none'|default-src 'none'.*; sandbox$/);
      expect(headers.get('X-Frame-Options')).toBe('DENY');
    }
  });
});

describe.each(looked)('S-172 $route', ({ path, status, arrange }) => {
  test.each([
    'daemun_browser=short; daemun_language=xx; daemun_device=x',
    `daemun_browser=${'A'.repeat(2000)}; daemun_device=${'\u00e9'.repeat(10)}`,
    '__proto__=x; constructor=y; =z; ;;;=',
    'daemun_browser="quoted"; daemun_language=%zz',
  ])('is none the worse for the cookies %j', async (cookie) => {
    arrange?.(service);
    const answer = await createBrowser(service.issuer).get(path, { Cookie: cookie });
    expect(answer.status).toBe(status);
    expect(answer.html).not.toContain('quoted');
  });
});

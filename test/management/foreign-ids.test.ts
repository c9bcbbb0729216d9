import { randomBytes, randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import type { Account } from '../../src/accounts/account.ts';
import { workAs } from '../../src/platform/database/as-subject.ts';
import { type Api, BY, startApi } from './api.ts';

/** `FOREIGN_IDS=100000 npm run jest -- test/management/foreign-ids` is the whole of it. */
const REQUESTS = Number(process.env.FOREIGN_IDS ?? 2_400);
const AT_ONCE = 16;

interface Attempt {
  method: string;
  path: string;
  body?: string;
}

let api: Api;
let person: Account;
let other: Account;
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
beforeAll(async () => {
  api = await startApi();
  person = await api.person();
  other = await api.person({ isAdministrator: true });
});
afterAll(async () => {
  agent.destroy();
  await api.close();
});

/** All that somebody has, but for when it was last used. */
async function everything(): Promise<unknown> {
  return workAs(api.services.database.pool, { role: 'administrator' }, async (client) => {
    const tables = { api_keys: 'last_used_at', service_accounts: '-', user_sessions: 'last_used_at', users: '-' };
    const parts: unknown[] = [];
    for (const [table, changing] of Object.entries(tables)) {
      const { rows } = await client.query(`SELECT (to_jsonb(t) - $1::text)::text AS row FROM ${table} t ORDER BY 1`, [
        changing,
      ]);
      parts.push(rows.map(({ row }) => row));
    }
    const { rows } = await client.query(
      "SELECT id FROM audit_events WHERE type ~ '^(api_key|service_account|session[.]ended|user)' ORDER BY id",
    );
    return [...parts, rows];
  });
}

function send({ method, path, body }: Attempt, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const type =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) };
    const sent = request(
      `${api.issuer}/api/v1${path}`,
      { method, agent, headers: { ...headers, ...type } },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => resolve(`${answer.statusCode} ${text.replace(/"request_id":"[^"]*"/, '')}`));
      },
    );
    sent.on('error', reject).end(body);
  });
}

test(
  `S-173 ${REQUESTS} requests with foreign and made-up ids get 404, all alike, and change nothing`,
  async () => {
    const owner = { kind: 'user', id: other.id } as const;
    const foreign = [
      (await api.key(owner, ['profile:read', 'api-keys:write', 'users:read'])).apiKey.id,
      (await api.key({ kind: 'system' }, ['users:read'])).apiKey.id,
      other.id,
    ];
    const account = await api.services.serviceAccounts.create(
      { name: 'Nightly', access: { [api.resource]: ['profile:read'] } },
      BY,
    );
    const service = (account as { serviceAccount: { id: string } }).serviceAccount;
    foreign.push(service.id, (await api.key({ kind: 'service_account', id: service.id }, ['profile:read'])).apiKey.id);
    await api.signIn(other);
    const [session] = await api.services.sessions.list(other.id);

    const scopes = ['profile:read', 'sessions:read', 'sessions:write', 'api-keys:read', 'api-keys:write'];
    const { value } = await api.key({ kind: 'user', id: person.id }, scopes);
    const browser = await api.signIn(person);
    const csrf = (await api.ask('GET', '/me/csrf-token', { browser })).json;
    const tokenOf = async () => `Bearer ${await api.accessToken(person, `openid ${scopes.join(' ')}`, browser)}`;
    const callers: Record<string, string>[] = [
      { authorization: `Bearer ${value}` },
      { authorization: await tokenOf() },
      {
        cookie: browser.cookies.map((cookie) => `${cookie.name}=${cookie.value}`).join('; '),
        [csrf.header]: csrf.token,
        origin: api.issuer,
        'sec-fetch-site': 'same-origin',
      },
    ];

    /** Theirs, those next to theirs, and what nobody has. */
    const idOf = (index: number): string => {
      const known = foreign[index % foreign.length]!;
      switch (index % 5) {
        case 0:
        case 1:
          return known;
        case 2:
          return `${known.slice(0, -1)}${((Number.parseInt(known.at(-1)!, 16) + 1 + (index % 15)) % 16).toString(16)}`;
        case 3:
          return index % 2 ? uuidv7() : randomUUID();
        default:
          return randomBytes(1 + (index % 30)).toString('base64url');
      }
    };
    const attempts: ((index: number) => Attempt)[] = [
      (index) => ({ method: 'GET', path: `/api-keys/${idOf(index)}` }),
      (index) => ({ method: 'DELETE', path: `/api-keys/${idOf(index)}` }),
      (index) => ({ method: 'PATCH', path: `/api-keys/${idOf(index)}`, body: '{"name":"Mine now"}' }),
      (index) => ({ method: 'POST', path: `/api-keys/${idOf(index)}/rotate`, body: '{"overlapSeconds":0}' }),
      (index) => ({ method: 'DELETE', path: `/me/sessions/${index % 2 ? session!.uid : idOf(index)}` }),
    ];

    const before = await everything();
    const answers = new Map<string, number>();
    let next = 0;
    const started = performance.now();
    // The whole of it takes longer than a sign-in is fresh, and a token lives.
    let kept = started;
    const keepFresh = async () => {
      const seconds = Math.floor((performance.now() - kept) / 1000);
      if (seconds < 60) return;
      kept += 1000 * seconds;
      await api.ageSessions(person, -seconds);
      callers[1] = { authorization: await tokenOf() };
    };
    const work = async () => {
      for (let index = next++; index < REQUESTS; index = next++) {
        await keepFresh();
        const attempt = attempts[Math.floor(index / callers.length) % attempts.length]!(index);
        const answer = await send(attempt, callers[index % callers.length]!);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const seconds = (performance.now() - started) / 1000;
    if (process.env.FOREIGN_IDS) process.stderr.write(`${REQUESTS} requests in ${seconds.toFixed(1)} s\n`);

    const kinds = [...answers.keys()];
    expect(kinds.filter((answer) => !answer.startsWith('404 '))).toEqual([]);
    // One text for keys, one for sessions: whether there is such a thing cannot be told.
    expect(kinds.length).toBe(2);
    expect(await everything()).toEqual(before);
    expect((await api.ask('GET', '/me', { bearer: value })).status).toBe(200);
  },
  60_000 + REQUESTS * 60,
);

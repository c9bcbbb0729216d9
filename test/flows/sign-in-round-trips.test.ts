import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, post } from '../support/flow-client.ts';
import { CALLBACK } from '../support/flow-server.ts';
import { type RecordedStatement, recordStatements } from '../support/recorded-statements.ts';
import { startWholeService, type WholeService } from '../support/whole-service.ts';

/*
 * What a sign-in with a password asks of the database, from the first page to the tokens. Clients and providers are remembered for a
 * moment, and read again as often as that passes: they are not counted, nor is what a service does by the clock.
 */

const PASSWORD = 'correct horse battery staple';
const OF_A_SIGN_IN =
  /^(?:artifacts\.(?:find|save|consume|destroy|end|amend)|sign_in|throttle|accounts|sessions|consents|audit)/;
const READS = /^(?:artifacts\.find|accounts\.find)/;

let whole: WholeService;
let statements: RecordedStatement[];
const client = { id: '', secret: '' };
beforeAll(async () => {
  whole = await startWholeService();
  const { oneTimeLinks, clients, database } = whole.services;
  const { token } = (await oneTimeLinks.createSetup())!;
  const person = await oneTimeLinks.completeSetup(token, { userName: 'jiwoo', name: 'Jiwoo', password: PASSWORD }, {});
  expect(person.kind).toBe('created');
  const notes = { name: 'Notes', isFirstParty: true, metadata: { redirect_uris: [CALLBACK] } };
  const created = await clients.create(notes, { actor: 'test' });
  if (created.kind !== 'created') throw new Error('the client was refused');
  Object.assign(client, { id: created.client.id, secret: created.secret });
  statements = recordStatements(database.pool);
}, 120_000);
afterAll(() => whole?.close());

const nameOf = ({ name, text }: RecordedStatement) => name?.split('.').slice(0, 2).join('.') ?? text;

/** The names of the statements of one sign-in, step by step. */
async function signIn(): Promise<Record<'page' | 'password' | 'token', string[]>> {
  const asked = () =>
    statements
      .splice(0)
      .map(nameOf)
      .filter((name) => OF_A_SIGN_IN.test(name));
  const browser = createBrowser(whole.issuer);
  const config = await connect({ issuer: whole.issuer }, client);
  const { url, verifier } = await authorizationRequest(config, { scope: 'openid' });
  asked();
  const shown = await browser.open(url.href);
  const page = asked();
  const csrf = /name="csrf" value="([^"]+)"/.exec(shown.text)![1]!;
  const form = { csrf, email: 'jiwoo', password: PASSWORD };
  const { url: end } = await browser.submit(`${shown.url.pathname}/login`, form);
  const password = asked();
  const code = end.searchParams.get('code');
  const redeem = { grant_type: 'authorization_code', code: code!, redirect_uri: CALLBACK, code_verifier: verifier };
  expect((await post(`${whole.issuer}/token`, redeem, basic(client))).status).toBe(200);
  return { page, password, token: asked() };
}

test('a sign-in with a password is 7 statements at most, 6 of which write', async () => {
  // What is done by the clock may fall into any one of them.
  const several: Awaited<ReturnType<typeof signIn>>[] = [];
  while (several.length < 4) several.push(await signIn());
  const sizeOf = (one: (typeof several)[number]) => Object.values(one).flat().length;
  const { page, password, token } = several.reduce((least, one) => (sizeOf(one) < sizeOf(least) ? one : least));
  expect(token).toEqual(['artifacts.find', 'artifacts.consume-save-record']);
  const all = [...page, ...password, ...token];
  const writes = all.filter((name) => !READS.test(name));
  expect({ all, isFewEnough: all.length <= 7 }).toEqual({ all, isFewEnough: true });
  expect({ writes, isFewEnough: writes.length <= 6 }).toEqual({ writes, isFewEnough: true });
  // The interaction is used up, and grant, code, session and its record are stored, all together.
  expect(password.filter((name) => name.startsWith('artifacts.'))).toEqual([
    'artifacts.amend',
    'artifacts.destroy-save-record-start',
  ]);
  expect(password).not.toContain('audit.insert');
}, 60_000);

test('what only prepares does not wait for the disk, and what a person or a client is given does', async () => {
  const start = statements.length;
  const { page, password, token } = await signIn();
  expect(statements).toHaveLength(start);
  const given = ['artifacts.destroy-save-record-start', 'artifacts.consume-save-record'];
  const prepared = ['artifacts.save-unflushed', 'sign_in.begin', 'sign_in.succeed', 'artifacts.amend'];
  expect([...page, ...password, ...token]).toEqual(expect.arrayContaining([...given, ...prepared]));

  const unflushed = new Map<string, boolean>();
  const watched = recordStatements(whole.services.database.pool);
  await signIn();
  for (const statement of watched) unflushed.set(nameOf(statement), statement.text.includes('synchronous_commit'));
  for (const name of prepared) expect([name, unflushed.get(name)]).toEqual([name, true]);
  for (const [name, isUnflushed] of unflushed) if (isUnflushed) expect(prepared).toContain(name);
});

import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Environment } from '../../src/config/load.ts';
import { createOutbound, type Outbound } from '../../src/platform/http/outbound.ts';
import { createDiscord } from '../../src/upstreams/discord.ts';
import { createGoogle } from '../../src/upstreams/google.ts';
import { createTokenVault } from '../../src/upstreams/token-vault.ts';
import {
  begin,
  type FederatedService,
  leaveFor,
  proveByPassword,
  redeem,
  signInWith,
  visitProvider,
} from '../support/flow-federation.ts';
import { BOTH, introduceSomebody, type Stranger, useFederatedService } from '../support/flow-federation-people.ts';

/** What a token request's answer holds that somebody could use. */
interface Given {
  access_token: string;
  refresh_token?: string;
  id_token?: string;
}

let service: FederatedService;
/** By the token endpoints of the fakes, in order. */
let given: Given[];

function useService(env: Environment) {
  const outbound = createOutbound({ allowLoopback: true });
  const fetch: Outbound = async (url, request) => {
    const answer = await outbound(url, request);
    if (String(url).endsWith('/token')) given.push(JSON.parse(answer.body.toString()));
    return answer;
  };
  useFederatedService(
    (started) => {
      service = started;
      given = [];
    },
    {
      env,
      async rebuild(_, { google, discord }) {
        const common = { keepsTokens: env.DAEMUN_KEEP_UPSTREAM_TOKENS === 'on', fetch };
        const upstreams = [createGoogle({ ...google, ...common }), createDiscord({ ...discord, ...common })];
        return { upstreams: await Promise.all(upstreams) };
      },
    },
  );
}

let person: Stranger;
beforeEach(() => {
  person = introduceSomebody(service);
});

/** Every column of every table, in each form in which a text that is somewhere in it is found. */
async function dump(): Promise<string> {
  const { pool } = service.services.database;
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await pool.query<Record<string, unknown>>(`SELECT * FROM "${name}"`);
    for (const value of rows.flatMap((row) => Object.values(row))) {
      if (Buffer.isBuffer(value)) texts.push(value.toString('latin1'), value.toString('base64url'));
      else texts.push(typeof value === 'string' ? value : JSON.stringify(value));
    }
  }
  return texts.join('\n');
}

function secretsOf({ access_token, refresh_token, id_token }: Given): string[] {
  return [access_token, refresh_token, id_token].filter((value) => value !== undefined);
}

async function expectNotStored(secrets: (string | null | undefined)[]) {
  const stored = await dump();
  // The dump is one: what is no secret is found in it.
  expect(stored).toContain(person.subject);
  for (const secret of secrets) {
    expect(secret).toEqual(expect.stringMatching(/.{16}/));
    expect(stored.includes(secret!)).toBe(false);
    const bytes = Buffer.from(secret!, 'base64url').toString('latin1');
    if (bytes.length >= 24) expect(stored.includes(bytes)).toBe(false);
  }
}

const rowCount = () => service.services.database.prisma.upstreamToken.count();

describe('S-099 unless it is configured, nothing of what an upstream hands out is kept', () => {
  useService({});

  test.each(BOTH)('%s', async (provider) => {
    await signInWith(service, provider, { as: person.subject });
    await expectNotStored(secretsOf(given.at(-1)!));
    expect(await rowCount()).toBe(0);
  });

  test('nor when accounts are joined', async () => {
    await service.createPerson({ email: person.email });
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: person.subject });
    const link = page.url.pathname.split('/').at(-1);
    // Neither does it hold what opens the page that waits.
    await expectNotStored([...secretsOf(given.at(-1)!), link]);
    await redeem(service, begun, await proveByPassword(begun.browser, page));
    await expectNotStored([...secretsOf(given.at(-1)!), link]);
    expect(await rowCount()).toBe(0);
  });

  test.each(BOTH)('S-095 of a journey to %s the database has nothing that could be presented', async (provider) => {
    await signInWith(service, 'google', { as: person.subject });
    const begun = await begin(service);
    const there = await leaveFor(provider, begun);
    const back = await service.upstream[provider].decide(there.href, { as: person.subject });
    const secrets = [there.searchParams.get('state'), back.searchParams.get('code')];
    if (provider === 'google') secrets.push(there.searchParams.get('nonce'));
    await expectNotStored(secrets);
    await begun.browser.open(back.href);
    const request = service.upstream[provider].requests.findLast(({ url }) => url.endsWith('/token'))!;
    await expectNotStored([...secrets, new URLSearchParams(request.body).get('code_verifier')]);
  });

  test('S-095 state, nonce and verifier are new for each journey, and the verifier stays here', async () => {
    const journeys = [await leaveFor('google', await begin(service)), await leaveFor('google', await begin(service))];
    for (const name of ['state', 'nonce', 'code_challenge']) {
      const values = journeys.map(({ searchParams }) => searchParams.get(name));
      expect(values).toEqual([expect.stringMatching(/^[\w-]{43}$/), expect.stringMatching(/^[\w-]{43}$/)]);
      expect(new Set(values).size).toBe(2);
    }
    for (const { searchParams } of journeys) {
      expect(searchParams.get('code_challenge_method')).toBe('S256');
      expect(searchParams.has('code_verifier')).toBe(false);
    }
  });
});

describe('S-099 where it is configured', () => {
  useService({ DAEMUN_KEEP_UPSTREAM_TOKENS: 'on' });

  let before: number;
  beforeEach(async () => {
    before = await rowCount();
  });

  /** Links of this person that tokens wait with. */
  const waiting = async () => {
    const { rowCount: count } = await service.services.database.pool.query(
      `SELECT 1 FROM pending_links WHERE subject = $1 AND identity ? 'sealedTokens'`,
      [person.subject],
    );
    return count;
  };

  const vault = () => {
    const { database, keyEncryption } = service.services;
    return createTokenVault({ pool: database.pool, encryption: keyEncryption });
  };

  test.each(BOTH)('the tokens of %s are there for us, and for nobody who reads the database', async (provider) => {
    await signInWith(service, provider, { as: person.subject });
    const { access_token, refresh_token } = given.at(-1)!;
    await expectNotStored(secretsOf(given.at(-1)!));
    expect(await vault().read({ provider, subject: person.subject })).toMatchObject({
      accessToken: access_token,
      refreshToken: refresh_token,
    });
  });

  test('those of a sign-in that joins accounts wait with it, sealed, and are there for us afterwards', async () => {
    await service.createPerson({ email: person.email });
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: person.subject });
    const { access_token, refresh_token } = given.at(-1)!;
    await expectNotStored(secretsOf(given.at(-1)!));
    expect(await waiting()).toBe(1);
    expect(await rowCount()).toBe(before);
    await redeem(service, begun, await proveByPassword(begun.browser, page));
    expect(await vault().read({ provider: 'google', subject: person.subject })).toMatchObject({
      accessToken: access_token,
      refreshToken: refresh_token,
    });
    await expectNotStored(secretsOf(given.at(-1)!));
    // One copy, which goes with the identity.
    expect(await waiting()).toBe(0);
  });

  test('S-119 those of somebody who has to choose a new password on the way are there afterwards, too', async () => {
    const accountId = await service.createPerson({ email: person.email });
    await service.services.database.prisma.passwordCredential.update({
      where: { userId: accountId },
      data: { mustChange: true },
    });
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: person.subject });
    const { access_token, refresh_token } = given.at(-1)!;
    const change = await proveByPassword(begun.browser, page);
    expect(change.url.pathname).toMatch(/^\/set-password\//);
    expect(await service.services.federation.list(accountId)).toEqual([]);
    expect((await begun.browser.open(page.url.pathname)).response?.status).toBe(410);
    const password = 'another four quiet words';
    const done = await proveByPassword(begun.browser, { ...change, url: new URL(change.url) }, password);
    const goesOn = new RegExp(`href="(${page.url.pathname})"`).exec(done.text)?.[1];
    const again = await begun.browser.open(goesOn!);
    expect((await proveByPassword(begun.browser, again)).response?.status).toBe(422);
    const tokens = await redeem(service, begun, await proveByPassword(begun.browser, again, password));
    expect(tokens.claims()).toMatchObject({ sub: accountId, amr: ['fed', 'pwd'] });
    expect(await vault().read({ provider: 'google', subject: person.subject })).toMatchObject({
      accessToken: access_token,
      refreshToken: refresh_token,
    });
    await expectNotStored(secretsOf(given.at(-1)!));
    expect(await waiting()).toBe(0);
  });

  test('S-094 those of somebody who does not prove the account are never kept', async () => {
    await service.createPerson({ email: person.email });
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: person.subject });
    const answer = await proveByPassword(begun.browser, page, 'another four quiet words');
    expect(answer.url.pathname).toBe(page.url.pathname);
    expect(await rowCount()).toBe(before);
  });

  test('those that wait are of no use to another person', async () => {
    await service.createPerson({ email: person.email });
    const begun = await begin(service);
    const page = await visitProvider(service, 'google', begun, { as: person.subject });
    const sealed = vault().seal({ provider: 'google', subject: `${person.subject}1` }, { accessToken: 'of-another' });
    await service.services.database.pool.query(
      `UPDATE pending_links SET identity = identity || jsonb_build_object('sealedTokens', $2::text) WHERE subject = $1`,
      [person.subject, sealed],
    );
    await redeem(service, begun, await proveByPassword(begun.browser, page));
    expect(await vault().read({ provider: 'google', subject: person.subject })).toBeUndefined();
  });

  test('a row that was moved to another person opens for nobody', async () => {
    await signInWith(service, 'google', { as: person.subject });
    const mine = person.subject;
    const other = { ...person, subject: `${mine}1`, email: `${randomUUID()}@example.com` };
    service.introduce(other);
    await signInWith(service, 'google', { as: other.subject });
    await service.services.database.pool.query(
      `UPDATE upstream_tokens SET sealed = o.sealed, wrapped_data_key = o.wrapped_data_key
       FROM upstream_tokens o WHERE o.subject = $1 AND upstream_tokens.subject = $2`,
      [mine, other.subject],
    );
    await expect(vault().read({ provider: 'google', subject: other.subject })).rejects.toThrow();
  });

  test('they go with the identity', async () => {
    const { tokens } = await signInWith(service, 'google', { as: person.subject });
    await signInWith(service, 'google', { as: person.subject });
    const { sub } = tokens.claims()!;
    await service.services.database.prisma.federatedIdentity.deleteMany({ where: { userId: sub } });
    expect(await vault().read({ provider: 'google', subject: person.subject })).toBeUndefined();
  });
});

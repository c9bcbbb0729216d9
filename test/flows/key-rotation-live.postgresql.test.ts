import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, type JWK } from 'jose';
import * as oidc from 'openid-client';
import { type Algorithm, makeKeyPair, type SigningKeyPair } from '../../src/signing-keys/key-pair.ts';
import type { KeyStore } from '../../src/signing-keys/key-store.ts';
import { type KeyPolicy, warmUp } from '../../src/signing-keys/timing.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { connect, signIn } from '../support/flow-client.ts';
import { type KeyNodes, startKeyNodes } from '../support/flow-key-nodes.ts';
import {
  createTokenVerifiers,
  type SignedToken,
  signedToken,
  type TokenVerifier,
} from '../support/flow-relying-parties.ts';

/** What takes a day and a month otherwise, in seconds. */
const policy: KeyPolicy = {
  jwksMaxAge: 1,
  cacheSupport: 1.1,
  propagation: 1.4,
  clockSkew: 0.1,
  hintRetention: 30,
  rotationPeriod: 1,
};
const lifetimes = { idToken: 2, accessToken: 2 };
const LEAST_SECONDS = 60;
const MOST_SECONDS = 200;
const LEAST_ROTATIONS = 60;
const WATCHED: readonly Algorithm[] = ['ES256', 'RS256', 'EdDSA'];
const apiFor = (algorithm: Algorithm) => `https://${algorithm.toLowerCase()}.example.com/`;
const scopes = [{ name: 'read', description: 'read' }];
const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

describe('two nodes whose keys change every second', () => {
  let database: TestDatabase;
  let running: KeyNodes;
  let verifiers: TokenVerifier[];
  /** Made beforehand: with two cores for everything, making RSA keys would be what is measured. */
  const spares = new Map<Algorithm, SigningKeyPair[]>();
  beforeAll(async () => {
    for (const algorithm of WATCHED) {
      const made: SigningKeyPair[] = [];
      for (let count = 0; count < 60; count++) made.push(await makeSmallKeyPair(algorithm));
      spares.set(algorithm, made);
    }
    database = await openTestDatabase();
    const makeKey = async (algorithm: Algorithm) => spares.get(algorithm)!.pop() ?? makeSmallKeyPair(algorithm);
    running = await startKeyNodes(database, { count: 2, policy, lifetimes, makeKey, algorithms: WATCHED });
    const { flow } = running.nodes[0]!;
    for (const algorithm of WATCHED) {
      const identifier = apiFor(algorithm);
      await flow.registerResource({ identifier, name: algorithm, scopes, signingAlgorithm: algorithm });
    }
    await takeTurns(running.nodes[0]!.store);
    const audiences = WATCHED.map(apiFor);
    verifiers = createTokenVerifiers(running.issuer, { longest: policy.cacheSupport, audiences });
  }, 300_000);
  afterAll(async () => {
    await running?.close();
    await database?.close();
  });

  test('no request fails, and every token verifies everywhere from its first to its last moment', async () => {
    const { issuer, nodes } = running;
    const failures: string[] = [];
    const counts = { requests: 0, tokens: 0, verifications: 0 };
    const kids = new Set<string>();
    const verifying: Promise<void>[] = [];
    let isOver = false;

    async function attempt<Result>(
      what: string,
      work: () => Promise<Result>,
      isDue = () => true,
    ): Promise<Result | undefined> {
      try {
        counts.requests += 1;
        return await work();
      } catch (error) {
        if (isDue()) failures.push(`${what}: ${await describeFailure(error)}`);
        return undefined;
      }
    }

    /** At its issue, in the middle of its life, and just before it ends. */
    function follow(token: SignedToken): void {
      counts.tokens += 1;
      kids.add(JSON.parse(Buffer.from(token.jwt.split('.')[0]!, 'base64url').toString()).kid);
      const left = token.expiresAt - Date.now();
      for (const after of [0, left / 2, left - 150]) {
        if (after < 0) continue;
        verifying.push(
          new Promise<void>((resolve) => setTimeout(resolve, after)).then(async () => {
            await Promise.all(verifiers.map((verifier) => check(verifier, token, after)));
          }),
        );
      }
    }

    async function check(verifier: TokenVerifier, token: SignedToken, after: number): Promise<void> {
      if (!verifier.accepts(token)) return;
      try {
        await verifier.verify(token);
        counts.verifications += 1;
      } catch (error) {
        // On a busy machine the timer may come late.
        if (Date.now() >= token.expiresAt) return;
        const header = Buffer.from(token.jwt.split('.')[0]!, 'base64url').toString();
        failures.push(`${verifier.name} refuses ${header} after ${Math.round(after)} ms: ${(error as Error).message}`);
      }
    }

    async function machine(algorithm: Algorithm): Promise<void> {
      const resource = apiFor(algorithm);
      const { flow } = nodes[0]!;
      const client = await flow.register({
        metadata: { grant_types: ['client_credentials'], redirect_uris: [] },
        resources: [resource],
      });
      const config = await connect({ issuer }, client);
      while (!isOver) {
        const tokens = await attempt(`client_credentials ${algorithm}`, () =>
          oidc.clientCredentialsGrant(config, { resource, scope: 'read' }),
        );
        if (tokens) follow(signedToken(tokens.access_token, 'access', resource));
        await pause(100);
      }
    }

    async function person(algorithm: Algorithm): Promise<void> {
      const { flow } = nodes[0]!;
      const metadata = { grant_types, id_token_signed_response_alg: algorithm };
      const client = await flow.register({ metadata });
      const somebody = await flow.people.create();
      let config = await connectAnew();
      let since = performance.now();
      // Its own copy of the key set is good for five minutes.
      async function connectAnew() {
        const made = await connect({ issuer }, client, { metadata });
        oidc.enableNonRepudiationChecks(made);
        return made;
      }
      while (!isOver) {
        if (performance.now() - since > policy.jwksMaxAge * 1000) {
          since = performance.now();
          config = (await attempt('discovery', connectAnew)) ?? config;
        }
        // Counted from before they are asked for: an answer may take longer than a token lives.
        const isAlive = aliveFromNow();
        const signedIn = await attempt(`code flow ${algorithm}`, () =>
          signIn({ ...flow, origin: issuer }, config, somebody.id, { parameters: { scope: 'openid' } }),
        );
        if (!signedIn) continue;
        const { tokens } = signedIn;
        follow(signedToken(tokens.id_token!, 'id', client.id));
        await attempt('userinfo', () => oidc.fetchUserInfo(config, tokens.access_token, somebody.id), isAlive);
        const isFresh = aliveFromNow();
        const refreshed = await attempt('refresh', () => oidc.refreshTokenGrant(config, tokens.refresh_token!));
        if (refreshed?.id_token) follow(signedToken(refreshed.id_token, 'id', client.id));
        if (refreshed) {
          const answer = await attempt('introspection', () => oidc.tokenIntrospection(config, refreshed.access_token));
          if (answer && !answer.active && isFresh()) failures.push('introspection: a token just issued is not active');
        }
        await pause(100);
      }
    }

    const firstRetired = await retirements();
    const startedAt = performance.now();
    const seconds = () => (performance.now() - startedAt) / 1000;
    const work = [...WATCHED.map(machine), ...WATCHED.map(person)];
    let rotations = 0;
    while (seconds() < LEAST_SECONDS || (rotations < LEAST_ROTATIONS && seconds() < MOST_SECONDS)) {
      await pause(500);
      rotations = (await retirements()) - firstRetired;
      if (failures.length > 20) break;
    }
    const lasted = seconds();
    isOver = true;
    await Promise.all(work);
    await Promise.all(verifying);

    const summary = { ...counts, rotations, seconds: Math.round(lasted), kids: kids.size, byNode: running.requests };
    if (failures.length > 0)
      process.stderr.write(
        running.log
          .map((line) => `${line.slice(0, 300)}\n`)
          .slice(0, 10)
          .join(''),
      );
    process.stderr.write(`key rotation, live: ${JSON.stringify(summary)}\n`);
    expect(failures).toEqual([]);
    expect(rotations).toBeGreaterThanOrEqual(LEAST_ROTATIONS);
    expect(kids.size).toBeGreaterThan(LEAST_ROTATIONS / 2);
    for (const requests of running.requests) expect(requests).toBeGreaterThan(100);
    expect(counts.verifications).toBeGreaterThan(counts.tokens * verifiers.length);
  }, 300_000);

  /** Keys made in one moment change in one moment for ever: one is let wait for half a round. */
  async function takeTurns(store: KeyStore): Promise<void> {
    const round = 1000 * Math.max(warmUp(policy), policy.rotationPeriod);
    const [algorithm] = WATCHED;
    await pause(1.5 * round);
    for (let tries = 0; tries < 20; tries++) {
      const { keys } = await store.list();
      const active = keys.find((key) => key.state === 'active' && key.algorithm === algorithm)!;
      const since = Date.now() - active.activatedAt!;
      await pause(Math.max(0, round / 2 - since));
      const done = await store
        .rotate({ algorithm: algorithm!, expectedActive: active.kid, emergency: true }, { actor: 'test' })
        .catch(() => undefined);
      if (done?.kind === 'rotated') break;
      await pause(200);
    }
    // Until everybody knows that key too.
    await pause(2 * round);
  }

  /** How often a key of the algorithms that are watched got a successor. */
  async function retirements(): Promise<number> {
    const { rows } = await database.pool.query<{ count: string }>(
      'SELECT count(*) FROM signing_keys WHERE retired_at IS NOT NULL AND algorithm = ANY($1)',
      [WATCHED],
    );
    return Number(rows[0]!.count);
  }
});

/** Tokens live for two seconds at most, and sometimes for little more than one: on a busy machine an answer comes too late. */
function aliveFromNow(): () => boolean {
  const since = performance.now();
  return () => performance.now() - since < 800;
}

async function describeFailure(error: unknown): Promise<string> {
  const { message, cause } = error as Error;
  // openid-client gives the response that it did not expect.
  if (!(cause && typeof cause === 'object' && 'status' in cause)) return `${message} ${JSON.stringify(cause) ?? ''}`;
  const response = cause as Response;
  return `${message} ${response.status} ${response.bodyUsed ? '' : await response.text()}`;
}

/** Smaller than the product's, and made at once. */
async function makeSmallKeyPair(algorithm: Algorithm): Promise<SigningKeyPair> {
  if (algorithm !== 'RS256') return makeKeyPair(algorithm);
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const bare = publicKey.export({ format: 'jwk' }) as JWK;
  const kid = await calculateJwkThumbprint(bare);
  return { kid, algorithm, publicJwk: { ...bare, kid, alg: algorithm, use: 'sig' }, privateKey };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

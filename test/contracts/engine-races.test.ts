import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { newValue } from './artifacts.ts';
import {
  type Answer,
  clientKey,
  credentials,
  isActive,
  issueCode,
  type Node,
  redeem,
  refresh,
  startNode,
} from './bare-engine.ts';
import { useStores } from './stores.ts';

const stores = useStores();
let nodes: [Node, Node];
beforeAll(async () => {
  nodes = [await startNode(stores.first), await startNode(stores.second)];
});
afterAll(() => {
  for (const node of nodes ?? []) node.close();
});

const nodeOf = (caller: number) => nodes[(caller % 2) as 0 | 1];
const REFUSED = { status: 400, body: { error: 'invalid_grant' } };

function succeeded(answers: Answer[]): Answer[] {
  for (const answer of answers) if (answer.status !== 200) expect(answer).toMatchObject(REFUSED);
  return answers.filter(({ status }) => status === 200);
}

async function signIn(node: Node = nodes[0]) {
  const { code, grantId } = await issueCode(node);
  const { body } = await redeem(node, code);
  return { code, grantId, accessToken: body.access_token, refreshToken: body.refresh_token };
}

async function liveRefreshTokens(grantId: string): Promise<number> {
  const { rows } = await stores.database.pool.query(
    `SELECT count(*)::int AS count FROM protocol_artifacts a JOIN protocol_artifacts g ON g.id = a.grant_id
     WHERE a.kind = 'RefreshToken' AND a.consumed_at IS NULL AND g.revoked_at IS NULL AND a.payload ->> 'grantId' = $1`,
    [grantId],
  );
  return rows[0].count;
}

async function letGraceEnd(): Promise<void> {
  await stores.database.pool.query(
    `UPDATE protocol_artifacts SET consumed_at = consumed_at - interval '11 seconds' WHERE consumed_at IS NOT NULL`,
  );
}

describe('codes', () => {
  test('S-027 parallel redemptions of one code on two nodes give at most one token set', async () => {
    let won = 0;
    for (let round = 0; round < 60; round++) {
      const { code, grantId } = await issueCode(nodes[0]);
      const answers = await Promise.all([0, 1, 2, 3].map((caller) => redeem(nodeOf(caller), code)));
      const winners = succeeded(answers);
      expect(winners.length).toBeLessThanOrEqual(1);
      // It was presented more than once, so nothing that came of it works (S-026).
      for (const { body } of winners) expect(await isActive(nodes[1], body.access_token)).toBe(false);
      expect(await liveRefreshTokens(grantId)).toBe(0);
      won += winners.length;
    }
    expect(won).toBeGreaterThan(0);
  }, 120_000);

  test('S-026 a code presented again after its redemption fails and ends the tokens that came from it', async () => {
    const { code, accessToken, refreshToken } = await signIn();
    expect(await isActive(nodes[1], accessToken)).toBe(true);
    expect(await redeem(nodes[1], code)).toMatchObject(REFUSED);
    expect(await isActive(nodes[0], accessToken)).toBe(false);
    expect(await refresh(nodes[0], refreshToken)).toMatchObject(REFUSED);
  });

  test('S-029 a foreign client can neither redeem a code nor end its tokens', async () => {
    const { code, accessToken } = await signIn();
    const foreign = { ...credentials, client_id: 'other' };
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: 'https://client.example/callback',
      ...foreign,
    };
    expect(await nodes[1].post('/token', form)).toMatchObject(REFUSED);
    expect(await isActive(nodes[0], accessToken)).toBe(true);
  });
});

describe('refresh tokens', () => {
  test('S-056 parallel refreshes on two nodes give the same successor, and it works once on', async () => {
    for (let round = 0; round < 30; round++) {
      const { refreshToken, grantId } = await signIn();
      const answers = await Promise.all([0, 1, 2, 3, 4, 5].map((caller) => refresh(nodeOf(caller), refreshToken)));
      const winners = succeeded(answers);
      expect(winners).toHaveLength(6);
      expect(new Set(winners.map(({ body }) => body.refresh_token)).size).toBe(1);
      expect(new Set(winners.map(({ body }) => body.access_token)).size).toBe(6);
      expect(await liveRefreshTokens(grantId)).toBe(1);
      expect((await refresh(nodes[1], winners[0]!.body.refresh_token)).status).toBe(200);
    }
  }, 120_000);

  test('S-056 a retry on the other node is given the very same successor', async () => {
    const { refreshToken } = await signIn();
    const [first, retry] = [await refresh(nodes[0], refreshToken), await refresh(nodes[1], refreshToken)];
    expect(retry).toMatchObject({ status: 200, body: { refresh_token: first.body.refresh_token } });
    expect(await isActive(nodes[0], first.body.access_token)).toBe(true);
    expect(await isActive(nodes[0], retry.body.access_token)).toBe(true);
  });

  test('S-057 once the successor was used a retry is a replay: the family ends', async () => {
    const { refreshToken } = await signIn();
    const first = await refresh(nodes[0], refreshToken);
    const second = await refresh(nodes[1], first.body.refresh_token);
    expect(second.status).toBe(200);
    expect(await refresh(nodes[1], refreshToken)).toMatchObject(REFUSED);
    expect(await refresh(nodes[0], second.body.refresh_token)).toMatchObject(REFUSED);
    expect(await isActive(nodes[1], second.body.access_token)).toBe(false);
  });

  test('S-055 a spent token after the grace period ends the family and its access tokens', async () => {
    const { refreshToken, accessToken } = await signIn();
    const first = await refresh(nodes[0], refreshToken);
    await letGraceEnd();
    expect(await refresh(nodes[1], refreshToken)).toMatchObject(REFUSED);
    expect(await refresh(nodes[0], first.body.refresh_token)).toMatchObject(REFUSED);
    for (const token of [accessToken, first.body.access_token]) expect(await isActive(nodes[1], token)).toBe(false);
  });

  test('S-058 a foreign client with a spent token gets nothing within the grace period, and the family goes on', async () => {
    const { refreshToken } = await signIn();
    const first = await refresh(nodes[0], refreshToken);
    expect(await refresh(nodes[1], refreshToken, { ...credentials, client_id: 'other' })).toMatchObject(REFUSED);
    expect((await refresh(nodes[1], first.body.refresh_token)).status).toBe(200);
  });

  test('a spent token is inactive for everybody who asks, also within the grace period', async () => {
    const { refreshToken } = await signIn();
    expect(await isActive(nodes[1], refreshToken)).toBe(true);
    const first = await refresh(nodes[0], refreshToken);
    expect(await isActive(nodes[1], refreshToken)).toBe(false);
    expect(await isActive(nodes[1], first.body.refresh_token)).toBe(true);
  });

  test('S-056 without a grace period parallel refreshes give at most one success', async () => {
    const strict = await Promise.all([
      startNode(stores.open({ refreshGrace: 0 })),
      startNode(stores.open({ refreshGrace: 0 })),
    ]);
    for (let round = 0; round < 20; round++) {
      const { refreshToken, grantId } = await signIn(strict[0]);
      const answers = await Promise.all(
        [0, 1, 2, 3].map((caller) => refresh(strict[(caller % 2) as 0 | 1]!, refreshToken)),
      );
      const winners = succeeded(answers);
      expect(winners.length).toBeLessThanOrEqual(1);
      for (const { body } of winners) expect(await isActive(nodes[0], body.access_token)).toBe(false);
      expect(await liveRefreshTokens(grantId)).toBe(0);
    }
    for (const node of strict) node.close();
  }, 60_000);
});

describe('revocation', () => {
  test('S-061 S-064 wins against redemptions and refreshes at the same moment: nothing that they gave works', async () => {
    for (let round = 0; round < 30; round++) {
      const { refreshToken, grantId } = await signIn();
      const revoked = nodes[1].post('/token/revocation', { token: String(refreshToken), ...credentials });
      const answers = await Promise.all([0, 1, 2].map((caller) => refresh(nodeOf(caller), refreshToken)));
      expect((await revoked).status).toBe(200);
      for (const { body } of succeeded(answers)) {
        expect(await isActive(nodes[0], body.access_token)).toBe(false);
        expect(await isActive(nodes[1], body.refresh_token)).toBe(false);
        expect(await refresh(nodes[1], body.refresh_token)).toMatchObject(REFUSED);
      }
      expect(await stores.first.adapterFor('Grant').find(grantId)).toBeUndefined();
    }
  }, 60_000);

  test('S-063 is not reported as done while the database cannot be asked', async () => {
    const { refreshToken } = await signIn();
    const broken = await startNode({
      ...stores.first,
      adapterFor: (model) => ({
        ...stores.first.adapterFor(model),
        destroy: () => Promise.reject(Object.assign(new Error('no database'), { code: 'unavailable' })),
      }),
    });
    expect((await broken.post('/token/revocation', { token: String(refreshToken), ...credentials })).status).toBe(500);
    broken.close();
  });
});

describe('what may be used once', () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const proof = async (jti: string) =>
    new SignJWT({ jti, htm: 'POST', htu: 'http://issuer.example/token' })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.publicKey.export({ format: 'jwk' }) as never })
      .setIssuedAt()
      .sign(key.privateKey);
  const assertion = async (jti: string) =>
    new SignJWT({ jti })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer('asserting')
      .setSubject('asserting')
      .setAudience('http://issuer.example')
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(clientKey);
  const atIssuer = { 'x-forwarded-host': 'issuer.example', 'x-forwarded-proto': 'http' };

  test('S-042 one client assertion in parallel requests on two nodes authenticates one of them', async () => {
    for (let round = 0; round < 15; round++) {
      const form = {
        grant_type: 'client_credentials',
        client_id: 'asserting',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await assertion(newValue()),
      };
      const answers = await Promise.all([0, 1, 2, 3].map((caller) => nodeOf(caller).post('/token', form, atIssuer)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
      for (const { status, body } of answers) if (status === 401) expect(body.error).toBe('invalid_client');
    }
  }, 60_000);

  test.each([300, 600])(
    'S-042 S-089 what one node has taken, another one whose clock is %i s behind does not take again',
    async (behind) => {
      const [jti, there] = [newValue(), Date.now() / 1000];
      // As long as it lasts by the clock of either: to the first one it is nearly, or already, over.
      const takes = ({ provider }: Node, left: number) => provider.ReplayDetection.unique('client', jti, there + left);
      expect(await takes(nodes[0], 60 - behind)).toBe(true);
      expect(await takes(nodes[1], 60)).toBe(false);
    },
  );

  test('S-089 one DPoP proof in parallel requests on two nodes is accepted once', async () => {
    for (let round = 0; round < 15; round++) {
      const headers = { ...atIssuer, dpop: await proof(newValue()) };
      const form = { grant_type: 'client_credentials', ...credentials };
      const answers = await Promise.all([0, 1, 2, 3].map((caller) => nodeOf(caller).post('/token', form, headers)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400]);
      for (const { status, body } of answers) if (status === 400) expect(body.error).toBe('invalid_grant');
    }
  }, 60_000);
});

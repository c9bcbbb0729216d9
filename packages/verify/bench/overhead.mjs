/**
 * What a verifier costs above bare jose.jwtVerify with the same imported key, as CPU time of the whole process.
 * Rounds of both alternate and the median of the ratios counts, so that a busy machine disturbs both alike.
 *
 *   npm run bench -w packages/verify
 */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose';
import { createVerifier } from '../dist/index.js';

const ISSUER = 'https://id.example';
const AUDIENCE = 'https://api.example';
const ROUNDS = Number(process.env.ROUNDS ?? 21);
const CALLS = Number(process.env.CALLS ?? 3_000);
const TOKENS = 200;

for (const alg of ['ES256', 'RS256', 'PS256', 'EdDSA']) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { modulusLength: 2048 });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg, use: 'sig' };
  const key = await importJWK(jwk, alg);
  const tokens = await Promise.all(Array.from({ length: TOKENS }, () => sign(alg, privateKey)));
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUri: `${ISSUER}/.well-known/jwks.json`,
    fetch: async () => Response.json({ keys: [jwk] }),
  });

  const bare = (token) =>
    jwtVerify(token, key, { issuer: ISSUER, audience: AUDIENCE, algorithms: [alg], typ: 'at+jwt' });
  const ours = (token) => verifier.verify(token);
  for (const verify of [bare, ours, bare, ours]) await measure(verify, tokens);

  const ratios = [];
  const costs = { bare: [], ours: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const first = round % 2 === 0;
    const a = await measure(first ? bare : ours, tokens);
    const b = await measure(first ? ours : bare, tokens);
    const [bareCost, oursCost] = first ? [a, b] : [b, a];
    costs.bare.push(bareCost);
    costs.ours.push(oursCost);
    ratios.push(oursCost / bareCost);
  }
  const overhead = (median(ratios) - 1) * 100;
  console.log(
    `${alg.padEnd(6)} jose.jwtVerify ${median(costs.bare).toFixed(1)} µs  verify ${median(costs.ours).toFixed(1)} µs` +
      `  overhead ${overhead >= 0 ? '+' : ''}${overhead.toFixed(1)} % CPU`,
  );
}

/** Microseconds of CPU per call, user and system, of all threads. */
async function measure(verify, tokens) {
  const start = process.cpuUsage();
  for (let call = 0; call < CALLS; call++) await verify(tokens[call % tokens.length]);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / CALLS;
}

function median(values) {
  return values.toSorted((left, right) => left - right)[values.length >> 1];
}

function sign(alg, privateKey) {
  return new SignJWT({ client_id: 'web-app', scope: 'openid profile email sessions', sid: randomUUID() })
    .setProtectedHeader({ alg, typ: 'at+jwt', kid: 'bench' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(randomUUID())
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime('15m')
    .sign(privateKey);
}

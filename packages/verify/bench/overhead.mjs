/**
 * What a verifier costs above bare jose.jwtVerify with the same imported key, as CPU time of the whole process.
 * Short rounds of both alternate, and the median of their ratios counts, so that a busy machine disturbs both alike.
 * Ends with exit code 1 when an algorithm costs more than LIMIT.
 *
 *   npm run bench -w packages/verify
 *   ROUNDS=201 CALLS=500 npm run bench -w packages/verify
 */
import { randomUUID } from 'node:crypto';
import { cpus } from 'node:os';
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose';
import { createVerifier } from '../dist/index.js';

const ISSUER = 'https://id.example';
const AUDIENCE = 'https://api.example';
const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA'];
const ROUNDS = Number(process.env.ROUNDS ?? 61);
const CALLS = Number(process.env.CALLS ?? 1_000);
const TOKENS = 200;
/** Percent of CPU time. */
const LIMIT = 5;

console.log(
  `Node ${process.version}, ${cpus()[0]?.model}, ${ROUNDS} rounds of ${CALLS} calls each, CPU time per call\n`,
);
console.log('| algorithm | jose.jwtVerify | verify | overhead | half of all rounds |');
console.log('| --- | ---: | ---: | ---: | ---: |');
const tooSlow = [];
for (const alg of ALGORITHMS) {
  const { bare, ours, ratios } = await compare(alg);
  const overhead = percent(quantile(ratios, 0.5));
  const spread = `${signed(percent(quantile(ratios, 0.25)))} to ${signed(percent(quantile(ratios, 0.75)))}`;
  console.log(
    `| ${alg} | ${quantile(bare, 0.5).toFixed(1)} µs | ${quantile(ours, 0.5).toFixed(1)} µs | ${signed(overhead)} % | ${spread} % |`,
  );
  if (overhead > LIMIT) tooSlow.push(alg);
}
if (tooSlow.length) {
  console.error(`\nMore than ${LIMIT} % above jose.jwtVerify: ${tooSlow.join(', ')}.`);
  process.exitCode = 1;
} else {
  console.log(`\nNone costs more than ${LIMIT} % above jose.jwtVerify.`);
}

async function compare(alg) {
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
  const sides = {
    bare: (token) => jwtVerify(token, key, { issuer: ISSUER, audience: AUDIENCE, algorithms: [alg], typ: 'at+jwt' }),
    ours: (token) => verifier.verify(token),
  };
  const costs = { bare: [], ours: [], ratios: [] };
  // The first rounds are for the compiler of the machine code.
  for (let round = -4; round < ROUNDS; round++) {
    const cost = {};
    // Who comes second finds the caches warm and the garbage of the other: both do, in turn.
    for (const side of round % 2 ? ['bare', 'ours'] : ['ours', 'bare']) cost[side] = await measure(sides[side], tokens);
    if (round < 0) continue;
    for (const side of ['bare', 'ours']) costs[side].push(cost[side]);
    costs.ratios.push(cost.ours / cost.bare);
  }
  return costs;
}

/** Microseconds of CPU per call, user and system, of all threads. */
async function measure(verify, tokens) {
  const start = process.cpuUsage();
  for (let call = 0; call < CALLS; call++) await verify(tokens[call % tokens.length]);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / CALLS;
}

function quantile(values, share) {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length * share)];
}

function percent(ratio) {
  return (ratio - 1) * 100;
}

function signed(value) {
  return `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(1)}`;
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

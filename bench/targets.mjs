/**
 * CPU of Logto 1.42 on PostgreSQL to the engine's on an unbounded Map, milliseconds each, measured in turn on one machine on 2026-11-20.
 * Logto does not run here, so what it would need is derived: the engine of this run is the common measure.
 */
const LOGTO_TO_ENGINE = {
  'cc-jwt': 5.45 / 0.298,
  refresh: 7.26 / 0.409,
  introspection: 3.0 / 0.21,
  userinfo: 2.89 / 0.189,
  'code-flow': 13.2 / 0.798,
};

/**
 * What the service has to reach on PostgreSQL, and where it should get. `of` computes the figure from the medians of a scenario; a figure passes
 * when it is at most (or, `atLeast`, at least) the target.
 */
export const targets = [
  ...['discovery', 'jwks'].flatMap((scenario) => [
    { id: 'P1', scenario, what: 'CPU / bare node http', of: ({ cpuToBare }) => cpuToBare, must: 1.5, ambitious: 1.25 },
    {
      id: 'P2',
      scenario,
      what: 'rate / bare node http',
      of: ({ rateToBare }) => rateToBare,
      must: 0.75,
      ambitious: 0.85,
      atLeast: true,
    },
  ]),
  toEngine('P3', 'cc-jwt', 1.35, 1.15),
  toEngine('P4', 'cc-opaque', 2.4, 1.7),
  toEngine('P5', 'refresh', 3.6, 2.9),
  toEngine('P6', 'introspection', 3.0, 2.35),
  toEngine('P7', 'userinfo', 2.8, 2.3),
  toEngine('P8', 'code-flow', 3.3, 2.5),
  {
    id: 'P8a',
    scenario: 'code-flow',
    what: 'CPU ms',
    of: ({ sides }) => sides.service.cpuMs,
    must: 2.6,
    ambitious: 2.0,
  },
  ...Object.entries(LOGTO_TO_ENGINE).map(([scenario, theirs]) => ({
    id: 'P9',
    scenario,
    what: 'CPU of Logto / ours, derived',
    of: ({ cpuToEngine }) => theirs / cpuToEngine,
    ...(scenario === 'cc-jwt' ? { must: 8, ambitious: 15 } : { must: 3.5, ambitious: 4.7 }),
    atLeast: true,
  })),
  perBusySecond('introspection', 8 * 124, 15 * 124),
  perBusySecond('userinfo', 5 * 274, 8 * 274),
  {
    id: 'P12',
    scenario: 'password',
    what: 'CPU ms above the hash',
    of: ({ sides, hashMs }) => sides.service.cpuMs - hashMs,
    must: 8,
    ambitious: 5.5,
  },
  ...[
    ['bcrypt 12', 0.95, 0.97],
    ['bcrypt 10', 0.85, 0.92],
    ['argon2id 19 MiB', 0.58, 0.65],
  ].map(([name, must, ambitious]) => ({
    id: 'P13',
    scenario: 'hash-share',
    what: `${name} / CPU of the sign-in`,
    of: (figures) => figures[name].share,
    must,
    ambitious,
    atLeast: true,
  })),
  { id: 'P14', scenario: 'saturation', what: 'discovery p99, ms', of: ({ p99 }) => p99, must: 50, ambitious: 20 },
  {
    id: 'P15',
    scenario: 'start',
    what: 'first 200, ms',
    of: ({ firstAnswerMs }) => firstAnswerMs,
    must: 1000,
    ambitious: 600,
  },
  { id: 'P16', scenario: 'start', what: 'idle RSS, MiB', of: ({ idleMiB }) => idleMiB, must: 160, ambitious: 120 },
  {
    id: 'P17',
    scenario: 'memory',
    what: 'RSS, ten times the requests',
    of: ({ ratio }) => ratio,
    must: 1.15,
    ambitious: 1.05,
  },
  of('P18', 'redis-memory', 'MiB for 100,000 sign-ins', 'MiB for 100,000', 285, 200),
  ...['cc-opaque', 'introspection'].map((name) => of('P19', 'rows', `${name} at 10⁶ rows`, name, 1.15, 1.08)),
  of('P20', 'clients', '2,000 clients / 50', 'ratio', 1.1, 1.03),
  ...['cc-opaque', 'cc-jwt'].map((name) => of('P21', 'processes', `${name}, CPU of 2 / 1`, name, 1.15, 1.05)),
  ...['discovery', 'cc-jwt', 'introspection'].map((name) => ({
    id: 'P21',
    scenario: 'workers',
    what: `${name}, rate of 2 / 1`,
    of: (figures) => figures[name],
    must: 1.9,
    ambitious: 1.95,
    atLeast: true,
  })),
  {
    id: 'P23',
    scenario: 'api-key-check',
    what: 'checks / busy CPU second',
    of: ({ perBusySecond }) => perBusySecond,
    must: 5_000,
    ambitious: 50_000,
    atLeast: true,
  },
  { id: 'P23', scenario: 'api-key-check', what: 'p99, ms', of: ({ p99 }) => p99, must: 5, ambitious: 1 },
  ...['code-flow', 'cc-jwt'].flatMap((name) =>
    ['p50', 'p99'].map((share) => ({
      id: 'P22',
      scenario: 'latency',
      what: `${name} ${share} / engine`,
      of: (figures) => figures[name][share],
      must: 3,
      ambitious: 2,
    })),
  ),
];

function of(id, scenario, what, figure, must, ambitious) {
  return { id, scenario, what, of: (figures) => figures[figure], must, ambitious };
}

/** ZITADEL publishes requests a second for each busy vCPU: 124 introspections, 274 userinfo. Derived from ours, database included. */
function perBusySecond(scenario, must, ambitious) {
  const of = ({ sides }) => 1000 / sides.service.cpuMs;
  return { id: 'P11', scenario, what: 'requests / busy CPU second, derived', of, must, ambitious, atLeast: true };
}

function toEngine(id, scenario, must, ambitious) {
  return { id, scenario, what: 'CPU / engine', of: ({ cpuToEngine }) => cpuToEngine, must, ambitious };
}

export function judge({ atLeast, must, ambitious }, figure) {
  const reaches = (target) => (atLeast ? figure >= target : figure <= target);
  return reaches(ambitious) ? 'ambitious' : reaches(must) ? 'must' : 'MISSED';
}

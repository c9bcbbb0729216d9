import { clockOff } from './scenarios/clock-off.mjs';
import { databaseOutages } from './scenarios/database-outages.mjs';
import { diskFull } from './scenarios/disk-full.mjs';
import { killNode } from './scenarios/kill-node.mjs';
import { killPoints } from './scenarios/kill-points.mjs';
import { migrationKilled } from './scenarios/migration-killed.mjs';
import { pgbouncerOutages } from './scenarios/pgbouncer-outages.mjs';
import { redisLatency } from './scenarios/redis-latency.mjs';
import { redisOutages } from './scenarios/redis-outages.mjs';
import { rollingRestart } from './scenarios/rolling-restart.mjs';
import { rollingUpgrade } from './scenarios/rolling-upgrade.mjs';
import { twoBoots } from './scenarios/two-boots.mjs';
import { createWorld, seededRandom } from './world.mjs';

export const scenarios = [
  killNode,
  killPoints,
  rollingRestart,
  rollingUpgrade,
  databaseOutages,
  pgbouncerOutages,
  redisOutages,
  redisLatency,
  twoBoots,
  migrationKilled,
  diskFull,
  clockOff,
];

/**
 * Runs one scenario and judges it.
 * @returns {Promise<{ violations: string[], seen: string, skipped?: string }>}
 */
export async function runScenario(scenario, { database, seed, seconds, short = false, points, from, log }) {
  const random = seededRandom(seed);
  const worlds = [];
  const open = async (options = {}) => {
    const world = await createWorld({ database, random, log, ...options });
    worlds.push(world);
    return world;
  };
  try {
    const {
      world,
      seen,
      skipped,
      violations = [],
    } = await scenario.run(open, {
      seconds: seconds ?? (short ? 4 : scenario.seconds),
      short,
      points,
      from,
      random,
      database,
      log,
    });
    if (skipped) return { skipped, violations, seen: '' };
    const judged = world ? await world.judge() : [];
    const counts = world ? Object.entries(world.summary()).map(([outcome, count]) => `${count} ${outcome}`) : [];
    return { violations: [...violations, ...judged], seen: [seen, ...counts].join(', ') };
  } finally {
    for (const world of worlds.reverse()) await world.close();
  }
}

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../scripts/free-port.mjs';
import { childrenOf, cpuMs } from './processes.mjs';
import { startLoader } from './servers.mjs';

/** What one process may have of a core: so little that two, the load and the database find room on two cores. */
const SHARE = 0.25;
const PERIOD_MS = 50;
const SCENARIOS = ['discovery', 'cc-jwt', 'introspection'];
/** To each: what is due at the same moment is done together, so that half the connections would be dearer ones. */
const CONNECTIONS = 4;
const WARM_UP_SECONDS = 3;
/** Short, and many of them: a neighbour is busy for longer than that. */
const SLICE_SECONDS = 0.5;
const PAIRS = 4;
/** Below this share of what it was given, something else than the processes was the limit, and the figure says nothing. */
const ENOUGH = 0.9;
/** cgroup v1. */
const CONTROLLER = '/sys/fs/cgroup/cpu';

/**
 * Requests a second of two workers, against one, where each has the same share of a core and nothing else is limited: on a machine
 * that the load has to share, two processes otherwise have less than twice the room of one. A node of each kind runs all the time,
 * and they are asked in turn, for half a second each, so that a busy neighbour meets both.
 */
export async function measureWorkers({ withService, once, rounds }) {
  const groups = openGroups();
  if (groups.problem) return { 'not measured': groups.problem };
  const port = await freePort();
  try {
    return await withService({ WORKERS: '1' }, (one) =>
      withService({ WORKERS: '2', PORT: String(port) }, (two) =>
        compare([
          { count: 1, pids: () => [one.pid] },
          { count: 2, pids: () => childrenOf(two.pid), at: `http://127.0.0.1:${port}` },
        ]),
      ),
    );
  } finally {
    groups.close();
  }

  async function compare(sides) {
    const loader = startLoader();
    const measure = (name, { count, at }, seconds) =>
      once(name, 'service', { connections: count * CONNECTIONS, seconds, ...(at && { at }) }, loader);
    try {
      // Each process has to become warm, which takes longer under the limit.
      for (const name of SCENARIOS) for (const side of sides) await measure(name, side, side.count * WARM_UP_SECONDS);
      for (const side of sides) {
        side.pids = side.pids();
        if (side.pids.length !== side.count) throw new Error(`${side.pids.length} workers in place of ${side.count}`);
      }
      groups.limit(sides.flatMap(({ pids }) => pids));
      const figures = {};
      for (const name of SCENARIOS) Object.assign(figures, await rounded(name, sides, measure));
      return figures;
    } finally {
      groups.release();
      await loader.stop();
    }
  }

  async function rounded(name, [one, two], measure) {
    const ratios = [];
    const shares = [];
    for (let round = 0; round < PAIRS * rounds; round++) {
      const rates = new Map([one, two].map((side) => [side, 0]));
      for (const side of [one, two, two, one]) {
        const [began, before] = [performance.now(), cpuMs(side.pids)];
        rates.set(side, rates.get(side) + (await measure(name, side, SLICE_SECONDS)).perSecond);
        shares.push((cpuMs(side.pids) - before) / (performance.now() - began) / (side.count * SHARE));
      }
      ratios.push(rates.get(two) / rates.get(one));
    }
    const used = median(shares);
    const [from, to] = [0.25, 0.75].map((share) => quantile(ratios, share).toFixed(2));
    return {
      ...(used >= ENOUGH && { [name]: median(ratios) }),
      [`${name}, the middle half of ${ratios.length}`]: `${from}..${to}`,
      [`${name}, share that was used of what was given`]: used,
    };
  }
}

/** One group for each process; they end with it, or here. */
function openGroups() {
  if (!existsSync(join(CONTROLLER, 'cpu.cfs_quota_us'))) return { problem: `there is no cgroup v1 at ${CONTROLLER}` };
  const folders = [0, 1, 2].map((index) => join(CONTROLLER, `daemun-bench-${process.pid}-${index}`));
  const made = [];
  const close = () => {
    for (const folder of made.splice(0)) rmdirSync(folder);
  };
  try {
    for (const folder of folders) {
      mkdirSync(folder);
      made.push(folder);
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_MS * 1_000));
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(SHARE * PERIOD_MS * 1_000));
    }
  } catch (error) {
    close();
    return { problem: `no cgroup can be made: ${error.code}` };
  }
  return {
    close,
    limit(pids) {
      for (const [index, pid] of pids.entries()) writeFileSync(join(folders[index], 'cgroup.procs'), String(pid));
    },
    /** Whoever is still there goes back to where everybody is. */
    release() {
      for (const folder of folders) {
        for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
          writeFileSync(join(CONTROLLER, 'cgroup.procs'), pid);
        }
      }
    },
  };
}

const median = (values) => quantile(values, 0.5);

function quantile(values, share) {
  return values.toSorted((a, b) => a - b)[Math.floor(share * values.length)];
}

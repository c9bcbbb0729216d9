import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLoad } from '../load.mjs';
import { signIn } from '../visitor.mjs';

const SIZE = '400m';
/** What is left free, so that it runs full under load and not at once. */
const LEFT = 0;
const BLOCK = 64 * 1024;

/** The file system under the embedded database is full for a while. */
export const diskFull = {
  name: 'disk-full',
  title: 'no room left under the embedded database',
  seconds: 15,
  async run(open, { seconds }) {
    const mount = mountSmall();
    if (!mount) return { skipped: 'only root can mount a small file system' };
    const world = await open({ database: 'embedded', dataDirectory: join(mount.directory, 'data'), people: 12 });
    // After the nodes are gone: closing goes backwards.
    world.closing.splice(1, 0, mount.remove);
    const { history, nodes } = world;
    const [node] = nodes;
    await world.startAll();
    world.allowed500 = true;
    const load = startLoad(world, { actors: 3 });
    await pause(1_000);
    history.note = 'full';
    const filler = fill(mount.directory);
    const until = Date.now() + seconds * 1_000;
    let ended = 0;
    while (Date.now() < until) {
      await pause(300);
      if (!node.isRunning()) {
        ended += 1;
        if (
          await node.start().then(
            () => false,
            () => true,
          )
        )
          await pause(500);
      }
    }
    const said = node.said();
    rmSync(filler);
    history.note = 'room again';
    const goesOn = await comesBack(world, node);
    await load.stop();
    if (!goesOn) world.violation(`it does not go on when there is room again: ${node.said().slice(-600)}`);
    const unclear = history.operations.filter(({ status }) => status === 500).length;
    if (unclear) world.violation(`${unclear} requests were answered by 500 and not by 503`);
    const failed = history.operations.filter(({ status }) => status === 503).length;
    const told = /no space left|disk|ENOSPC/i.test(said);
    return {
      world,
      seen: `${failed} requests refused by 503, the process ended ${ended} times, the log ${told ? 'names' : 'does not name'} the disk`,
    };
  },
};

/** By itself, or by a restart, which a service manager does. */
async function comesBack(world, node) {
  const deadline = Date.now() + 30_000;
  let restarted = false;
  while (Date.now() < deadline) {
    if (!node.isRunning()) await node.start().catch(() => {});
    const arrived = await signIn(world.visitor(world.people[0], world.clients.own));
    if (arrived.arrived) return true;
    if (!restarted && Date.now() > deadline - 15_000) {
      restarted = true;
      await node.kill();
    }
    await pause(300);
  }
  return false;
}

function mountSmall() {
  if (process.getuid?.() !== 0) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'daemun-full-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', directory]);
  if (status !== 0) {
    rmSync(directory, { recursive: true, force: true });
    return undefined;
  }
  mkdirSync(join(directory, 'data'));
  return {
    directory,
    remove() {
      spawnSync('umount', [directory]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Leaves `LEFT` bytes. Answers the file that takes the room. */
function fill(directory) {
  const file = join(directory, 'filler');
  const descriptor = openSync(file, 'w');
  const block = Buffer.alloc(BLOCK, 1);
  try {
    for (let free = freeIn(directory); free > LEFT; free -= BLOCK) writeSync(descriptor, block);
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error;
  }
  closeSync(descriptor);
  return file;
}

function freeIn(directory) {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

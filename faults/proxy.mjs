import { connect, createServer } from 'node:net';

/** A TCP proxy on `port` in front of `target` that is in the way as told: slow, deaf, or cutting everybody off. */
export async function startProxy(port, target) {
  const pairs = new Set();
  let delay = 0;
  let hung = false;
  let cutting = false;
  const server = createServer((near) => {
    if (cutting) return near.destroy();
    const far = connect({ host: '127.0.0.1', port: target });
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    pass(near, far);
    pass(far, near);
  });

  function pass(from, to) {
    from.on('data', (chunk) => {
      if (hung) return;
      // In order: later chunks wait at least as long.
      if (delay) setTimeout(() => to.destroyed || to.write(chunk), delay);
      else to.write(chunk);
    });
  }

  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    /** Milliseconds that each chunk waits, in both directions. */
    slow(milliseconds) {
      delay = milliseconds;
    },
    /** Takes everything and passes nothing on; what was under way is cut when that ends. */
    hang(on) {
      hung = on;
      if (!on) for (const [near] of pairs) near.destroy();
    },
    /** Cuts off whoever is connected, and whoever comes. */
    cut(on) {
      cutting = on;
      if (on) for (const [near] of pairs) near.destroy();
    },
    async close() {
      for (const [near] of pairs) near.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

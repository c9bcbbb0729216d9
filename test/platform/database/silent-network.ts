import { connect, createServer, type Socket } from 'node:net';

/** A way to the server at `url` that can stop to pass anything on, without a word to either side. */
export async function openSilentNetwork(url: string) {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let silent = false;
  let lines: { cut: boolean }[] = [];

  function pass(from: Socket, to: Socket, line: { cut: boolean }): void {
    sockets.add(from);
    from.on('data', (data) => void (line.cut || to.write(data)));
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      if (!line.cut) to.destroy();
    });
  }

  const server = createServer((client) => {
    const line = { cut: silent };
    lines.push(line);
    const upstream = connect(Number(port || 5432), hostname);
    pass(client, upstream, line);
    pass(upstream, client, line);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port: own } = server.address() as { port: number };

  return {
    url: Object.assign(new URL(url), { host: `127.0.0.1:${own}` }).href,
    fallSilent() {
      silent = true;
      for (const line of lines) line.cut = true;
    },
    /** For connections made from now on. Those from before are forgotten for ever. */
    heal() {
      silent = false;
      lines = [];
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

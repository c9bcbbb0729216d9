import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Balancer {
  origin: string;
  /** How many requests each node was given. */
  requests: number[];
  /** To be called once, when the nodes listen. */
  balance(origins: readonly string[]): void;
  close(): Promise<void>;
}

/** One address for several nodes: gives each request to the next of them, whatever it is and whoever sends it. */
export async function startBalancer(): Promise<Balancer> {
  // A connection that is kept may be closed by the other side at the moment at which it is used again.
  const agent = new Agent({ keepAlive: false });
  const requests: number[] = [];
  let nodes: URL[] = [];
  let turn = 0;
  const server = createServer((req, res) => {
    turn = (turn + 1) % nodes.length;
    requests[turn] = (requests[turn] ?? 0) + 1;
    const { hostname, port } = nodes[turn]!;
    const { url: path, method, headers } = req;
    const onward = request({ agent, hostname, port, path, method, headers }, (answer) => {
      res.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', (error) => res.destroy(error));
    req.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    balance(origins) {
      nodes = origins.map((origin) => new URL(origin));
    },
    async close() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

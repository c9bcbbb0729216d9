// The floor for documents that never change: node's own server sending the same bytes. Told by IPC what they are.
import { createServer } from 'node:http';

process.once('message', ({ port, documents }) => {
  const prepared = new Map(
    Object.entries(documents).map(([path, { body, headers }]) => [path, { body: Buffer.from(body), headers }]),
  );
  const server = createServer((request, response) => {
    const { body, headers } = prepared.get(request.url);
    response.writeHead(200, { ...headers, 'Content-Length': body.length });
    response.end(body);
  });
  server.listen(port, '127.0.0.1', () => process.send({ origin: `http://127.0.0.1:${port}` }));
});

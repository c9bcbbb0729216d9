import { createApi } from './app.ts';

const { PORT = '4001', ISSUER = 'http://localhost:3000', AUDIENCE = 'http://localhost:4001' } = process.env;

const server = createApi({ issuer: ISSUER, audience: AUDIENCE }).listen(Number(PORT), () => {
  console.log(`API on http://localhost:${PORT}, for tokens of ${ISSUER} meant for ${AUDIENCE}`);
});

server.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EADDRINUSE') throw error;
  console.error(`Port ${PORT} is in use by another process. Stop it, or set PORT.`);
  process.exitCode = 1;
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections(); // streams would never end by themselves
  });
}

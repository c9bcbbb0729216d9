import { createApi } from './app.ts';

const { PORT = '4001', ISSUER = 'http://localhost:3000', AUDIENCE = 'http://localhost:4001' } = process.env;
/** The client by which this API asks the provider about API keys. Without it only tokens are taken. */
const { CLIENT_ID = '', CLIENT_SECRET = '' } = process.env;

const api = createApi({
  issuer: ISSUER,
  audience: AUDIENCE,
  ...(CLIENT_ID && { apiKeys: { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET } }),
  onUnavailable: ({ message, cause }) => console.error(message, cause),
});
const server = api.listen(Number(PORT), () => {
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

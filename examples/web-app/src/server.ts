import { createWebApp } from './app.ts';

const {
  PORT = '4000',
  BASE_URL = `http://localhost:${PORT}`,
  ISSUER = 'http://localhost:3000',
  CLIENT_ID = '',
  CLIENT_SECRET,
  API_URL = 'http://localhost:4001',
} = process.env;

if (CLIENT_ID === '') {
  console.error(
    `CLIENT_ID is missing. Register a client at ${ISSUER} with the redirect URI ${BASE_URL}/callback and the ` +
      `post-logout redirect URI ${BASE_URL}/, then start again with its CLIENT_ID and CLIENT_SECRET.`,
  );
  process.exit(1);
}

const app = createWebApp({
  baseUrl: BASE_URL,
  issuer: ISSUER,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET || undefined,
  apiUrl: API_URL,
});
const server = app.listen(Number(PORT), () => console.log(`Web app on ${BASE_URL}, signing in at ${ISSUER}`));

server.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EADDRINUSE') throw error;
  console.error(`Port ${PORT} is in use by another process. Stop it, or set PORT.`);
  process.exitCode = 1;
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}

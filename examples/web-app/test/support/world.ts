import { createServer } from 'node:http';
import { createApi } from '../../../api/src/app.ts';
import { createWebApp } from '../../src/app.ts';
import { listen } from './listen.ts';
import { CLIENT_ID, CLIENT_SECRET, startProvider } from './provider.ts';

/** Provider, API and web application, each on its own port, knowing each other only by URL. */
export async function startWorld({ clientSecret = CLIENT_SECRET } = {}) {
  const webAppServer = createServer();
  const webApp = await listen(webAppServer);
  const apiServer = createServer();
  const api = await listen(apiServer);
  const provider = await startProvider({ webApp: webApp.url, api: api.url });
  const { issuer } = provider;
  const serveApi = createApi({ issuer, audience: api.url }).callback();
  const mishaps = { apiRefusals: 0 };
  apiServer.on('request', (req, res) => {
    if (mishaps.apiRefusals-- > 0) res.writeHead(401).end();
    else serveApi(req, res);
  });
  const app = createWebApp({ baseUrl: webApp.url, issuer, clientId: CLIENT_ID, clientSecret, apiUrl: api.url });
  const failures: unknown[] = [];
  app.on('error', (error) => failures.push(error));
  webAppServer.on('request', app.callback());
  return {
    webApp: webApp.url,
    api: api.url,
    issuer,
    behaviour: provider.behaviour,
    /** Every one that was issued. */
    refreshTokens: provider.refreshTokens,
    /** How many calls the API refuses, whatever token they carry. */
    mishaps,
    /** What was shown as our fault or the provider's. */
    failures,
    stopApi: api.close,
    stopProvider: provider.close,
    async close() {
      await Promise.allSettled([webApp.close(), api.close(), provider.close()]);
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;

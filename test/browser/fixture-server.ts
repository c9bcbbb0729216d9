import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { contentSecurityPolicy } from '../../src/platform/http/security-headers.ts';
import { fixtures, testScreens } from '../interactions/fixtures.ts';

/** Serves every sample view at /screen/<screen>/<sample>/<locale>, with the policy that pages of the service have. */
export async function serveFixtures() {
  const screens = testScreens();
  let origin = '';
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    const [, first, screen, sample, locale = 'en'] = pathname.split('/');
    const asset = first === 'assets' ? screens.assets.find(screen!)?.asset : undefined;
    if (asset) return response.setHeader('Content-Type', asset.type).end(asset.body);
    if (first === '.well-known') {
      response.setHeader('Content-Type', 'application/json');
      return response.end(JSON.stringify({ issuer: origin, authorization_endpoint: `${origin}/authorize` }));
    }
    const fixture = fixtures.find((one) => one.screen === screen && one.sample === sample);
    if (first !== 'screen' || !fixture) return response.writeHead(404).end();
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Content-Security-Policy', contentSecurityPolicy());
    const view = JSON.parse(JSON.stringify(fixture.view).replaceAll('http://localhost:3000', origin));
    return response.end(screens.html(fixture.screen, view, { locale, path: '/' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

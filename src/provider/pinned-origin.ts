import type { Provider } from './engine.ts';

/**
 * Makes the engine believe the issuer and nothing else. It builds every URL, the scope of cookies and the expected `htu` of
 * DPoP proofs from the request, that is from `Host`, which anybody may write. S-169
 */
export function pinOrigin(provider: Provider, issuer: string): void {
  const { origin, host, hostname, protocol } = new URL(issuer);
  const pinned = {
    origin,
    host,
    hostname,
    protocol: protocol.slice(0, -1),
    secure: protocol === 'https:',
    href: `${origin}/`,
  };
  for (const [name, value] of Object.entries(pinned)) Object.defineProperty(provider.request, name, { value });
}

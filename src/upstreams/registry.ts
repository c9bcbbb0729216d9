import type { Outbound } from '../platform/http/outbound.ts';
import type { Credentials, UpstreamProvider } from './provider.ts';
import type { Upstream } from './upstream.ts';

/**
 * Every provider there is, by the name that its addresses and variables have, in the order of the buttons. Its file, and the
 * libraries that it needs, are loaded only where it is configured.
 */
export const providers = {
  google: async () => (await import('./google.ts')).google,
  discord: async () => (await import('./discord.ts')).discord,
};

type Providers = Record<string, () => Promise<UpstreamProvider>>;
type SettingsOf<Load> = Load extends () => Promise<UpstreamProvider<infer Settings, infer _>> ? Settings : never;

/** What a deployment says of each provider that it uses. */
export type UpstreamSettings<P extends Providers = typeof providers> = { [Name in keyof P]?: SettingsOf<P[Name]> };

export interface UpstreamsOptions<P extends Providers> {
  settings: UpstreamSettings<P>;
  /** Whether the providers' tokens are answered, to be kept. */
  keepsTokens: boolean;
  fetch: Outbound;
  /** The origin of a program that plays all of them; whoever answers there can be anybody. */
  standInAt?: string;
}

/** Those that have settings. */
export function createUpstreams(options: UpstreamsOptions<typeof providers>): Promise<Upstream[]> {
  return createUpstreamsOf(providers, options);
}

/** The same, of other providers than those of this release. */
export async function createUpstreamsOf<P extends Providers>(
  providers: P,
  { settings, keepsTokens, fetch, standInAt }: UpstreamsOptions<P>,
): Promise<Upstream[]> {
  const upstreams: Upstream[] = [];
  for (const [name, load] of Object.entries(providers)) {
    const own: Credentials | undefined = settings[name];
    if (!own) continue;
    const provider = await load();
    const endpoints = standInAt === undefined ? undefined : provider.standIn(`${standInAt}/${name}`);
    upstreams.push(provider.create({ ...own, keepsTokens, fetch, ...(endpoints !== undefined && { endpoints }) }));
  }
  return upstreams;
}

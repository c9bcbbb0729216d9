import type { Outbound } from '../platform/http/outbound.ts';
import type { ProviderSettings, UpstreamProvider } from './provider.ts';
import type { Upstream } from './upstream.ts';

export interface UpstreamsOptions {
  providers: readonly UpstreamProvider[];
  /** What the deployment said of those that it uses, by the provider's name. */
  settings: Readonly<Record<string, ProviderSettings>>;
  /** Whether the providers' tokens are answered, to be kept. */
  keepsTokens: boolean;
  fetch: Outbound;
  /** The origin of a program that plays all of them; whoever answers there can be anybody. */
  standInAt?: string;
}

/** Those that have settings, in the order of the registry. */
export function createUpstreams({ providers, settings, ...surroundings }: UpstreamsOptions): Promise<Upstream[]> {
  const configured = providers.filter(({ name }) => Object.hasOwn(settings, name));
  return Promise.all(configured.map((provider) => provider.create(settings[provider.name]!, surroundings)));
}

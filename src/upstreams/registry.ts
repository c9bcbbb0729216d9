import type { Outbound } from '../platform/http/outbound.ts';
import { createDiscord, type DiscordOptions } from './discord.ts';
import { createGoogle, type GoogleOptions } from './google.ts';
import { standInEndpoints } from './stand-in.ts';
import type { Upstream } from './upstream.ts';

/** What a deployment says of each provider that it uses. */
export interface UpstreamSettings {
  google?: Omit<GoogleOptions, 'fetch' | 'keepsTokens'>;
  discord?: Omit<DiscordOptions, 'fetch' | 'keepsTokens'>;
}

export interface UpstreamsOptions {
  settings: UpstreamSettings;
  /** Whether the providers' tokens are answered, to be kept. */
  keepsTokens: boolean;
  fetch: Outbound;
  /** The origin of a program that plays all of them; whoever answers there can be anybody. */
  standInAt?: string;
}

/** Every provider that has settings, in the order of the buttons. Another provider is one file and one line here. */
export function createUpstreams({ settings, keepsTokens, fetch, standInAt }: UpstreamsOptions): Upstream[] {
  const { google, discord } = settings;
  const endpoints = standInAt === undefined ? undefined : standInEndpoints(standInAt);
  const common = { keepsTokens, fetch };
  const upstreams = [
    google && createGoogle({ ...(endpoints && { endpoints: endpoints.google }), ...google, ...common }),
    discord && createDiscord({ ...(endpoints && { endpoints: endpoints.discord }), ...discord, ...common }),
  ];
  return upstreams.filter((upstream) => upstream !== undefined);
}

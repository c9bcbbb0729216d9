import type { Outbound } from '../platform/http/outbound.ts';
import type { SecretText } from '../platform/secret-text.ts';
import type { Upstream } from './upstream.ts';

/** What every provider needs; what else a deployment says of one is that provider's own. */
export interface Credentials {
  clientId: string;
  clientSecret: SecretText | string;
}

/** What the service gives to all of them. */
export interface Surroundings<Endpoints> {
  /** Whether the provider's tokens are answered, to be kept. */
  keepsTokens: boolean;
  fetch: Outbound;
  /** Others than the provider's own, for tests and demonstrations. */
  endpoints?: Endpoints;
}

/** All that is known of one provider: its file exports this, and the registry has a line for it. */
export interface UpstreamProvider<Settings extends Credentials = Credentials, Endpoints = unknown> {
  /** Where a program that plays this provider answers in its place; below `base` the paths are the provider's own. */
  standIn(base: string): Endpoints;
  create(options: Settings & Surroundings<Endpoints>): Upstream;
}

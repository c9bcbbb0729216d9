import type { DiscordEndpoints } from './discord.ts';
import type { GoogleEndpoints } from './google.ts';

export interface StandInEndpoints {
  google: GoogleEndpoints;
  discord: DiscordEndpoints;
}

/**
 * Where a program that plays all providers answers in their place, for demonstrations and tests. What is below the provider's
 * name is the provider's own path.
 */
export function standInEndpoints(origin: string): StandInEndpoints {
  return {
    google: {
      authorization: `${origin}/google/o/oauth2/v2/auth`,
      token: `${origin}/google/token`,
      keys: `${origin}/google/oauth2/v3/certs`,
      userInfo: `${origin}/google/v1/userinfo`,
    },
    discord: {
      authorization: `${origin}/discord/oauth2/authorize`,
      token: `${origin}/discord/api/v10/oauth2/token`,
      user: `${origin}/discord/api/v10/users/@me`,
    },
  };
}

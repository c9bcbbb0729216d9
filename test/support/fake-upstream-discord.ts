import type { Grant } from './fake-upstream-grants.ts';

/** As /users/@me of version 10 answers. */
export function discordUser({ person, scopes }: Grant): Record<string, unknown> {
  return {
    id: person.subject,
    username: person.userName ?? 'somebody',
    discriminator: person.discriminator ?? '0',
    global_name: person.name ?? null,
    avatar: person.picture ?? null,
    banner: null,
    accent_color: null,
    public_flags: 0,
    flags: 0,
    mfa_enabled: false,
    premium_type: 0,
    locale: person.locale ?? 'en-US',
    ...(scopes.includes('email') && { email: person.email ?? null, verified: person.verified }),
  };
}

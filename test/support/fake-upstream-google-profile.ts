import type { Grant } from './fake-upstream-grants.ts';

/** What the granted scopes tell; also the answer of userinfo. */
export function googleProfile({ person, scopes }: Grant): Record<string, unknown> {
  return {
    sub: person.subject,
    ...(person.hostedDomain !== undefined && { hd: person.hostedDomain }),
    ...(scopes.includes('email') && { email: person.email ?? undefined, email_verified: person.verified }),
    ...(scopes.includes('profile') && {
      name: person.name,
      given_name: person.givenName,
      family_name: person.familyName,
      picture: person.picture ?? undefined,
      locale: person.locale,
    }),
  };
}

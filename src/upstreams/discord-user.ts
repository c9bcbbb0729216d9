import type { JsonObject } from './ask.ts';
import { untrusted } from './failure.ts';
import { emailOf, localeOf, said, textOf } from './profile-values.ts';
import type { UpstreamIdentity } from './upstream.ts';

const PICTURES = 'https://cdn.discordapp.com';

/**
 * Who an answer of /users/@me is about. Names can be changed, and somebody else may take them: the number is who it is. S-093
 * @throws UpstreamFailure
 */
export function discordIdentity(user: JsonObject): UpstreamIdentity {
  const { id, email, verified, username, global_name: displayName, locale } = user;
  // As a JSON number it would have lost its last digits.
  if (typeof id !== 'string' || !/^\d{1,20}$/.test(id)) throw untrusted('user: id');
  return {
    provider: 'discord',
    subject: id,
    ...said({
      email: emailOf(email, verified),
      name: textOf(displayName) ?? textOf(username),
      userName: textOf(username),
      picture: pictureOf(id, user),
      locale: localeOf(locale),
    }),
  };
}

/** Made of the hash alone, so it is always there and at Discord. Who has chosen none has one of a few that Discord gives. */
function pictureOf(id: string, { avatar, discriminator }: JsonObject): string {
  if (typeof avatar === 'string' && /^(?:a_)?[\da-f]{32}$/.test(avatar)) {
    return `${PICTURES}/avatars/${id}/${avatar}.${avatar.startsWith('a_') ? 'gif' : 'png'}`;
  }
  // Those who still have the four digits of old are given theirs by these.
  const isOld = typeof discriminator === 'string' && /^\d{4}$/.test(discriminator);
  const index = isOld ? Number(discriminator) % 5 : Number((BigInt(id) >> 22n) % 6n);
  return `${PICTURES}/embed/avatars/${index}.png`;
}

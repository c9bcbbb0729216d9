import { type Refusal, type RefusalReason, refusal } from './refusal.ts';
import { hasInvisibleCharacters } from './spelling.ts';

const LONGEST_NAME = 100;
const LONGEST_ADDRESS = 2_048;
/** Joiners belong to the spelling of Persian and of the scripts of India. */
const JOINERS = /[\u200c\u200d]/gu;

/** What a person says about themselves, beside what they sign in with. */
export interface Profile {
  name?: string;
  givenName?: string;
  familyName?: string;
  picture?: string;
  locale?: string;
  zoneinfo?: string;
}

export type ParsedProfile = { kind: 'valid'; profile: Profile } | { kind: 'refused'; refusal: Refusal };

const problemOf: Record<keyof Profile, (text: string) => RefusalReason | undefined> = {
  name: problemOfName,
  givenName: problemOfName,
  familyName: problemOfName,
  picture: problemOfPicture,
  locale: (text) => (works(() => Intl.getCanonicalLocales(text)) ? undefined : 'invalid'),
  zoneinfo: (text) => (works(() => new Intl.DateTimeFormat('en', { timeZone: text })) ? undefined : 'invalid'),
};

/** An empty field is an absent one. */
export function parseProfile(input: Profile): ParsedProfile {
  const profile: Profile = {};
  for (const field of Object.keys(problemOf) as (keyof Profile)[]) {
    const text = input[field]?.normalize('NFC').trim();
    if (!text) continue;
    const reason = problemOf[field](text);
    if (reason) return { kind: 'refused', refusal: refusal(field, reason) };
    profile[field] = text;
  }
  return { kind: 'valid', profile };
}

function problemOfName(name: string): RefusalReason | undefined {
  if ([...name].length > LONGEST_NAME) return 'too-long';
  return hasInvisibleCharacters(name.replace(JOINERS, '')) ? 'invisible-characters' : undefined;
}

/** A web address that a relying party can load; anything else could become script there. */
function problemOfPicture(address: string): RefusalReason | undefined {
  if (address.length > LONGEST_ADDRESS) return 'too-long';
  return URL.canParse(address) && new URL(address).protocol === 'https:' ? undefined : 'invalid';
}

function works(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

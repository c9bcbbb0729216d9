import { type Refusal, type RefusalReason, refusal } from './refusal.ts';
import { hasInvisibleCharacters, withoutInvisibleCharacters } from './spelling.ts';

const LONGEST_NAME = 100;
const LONGEST_ADDRESS = 2_048;
/** Joiners belong to the spelling of Persian and of the scripts of India. */
const JOINER = /[\u200c\u200d]/u;
const JOINERS = new RegExp(JOINER, 'gu');

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

/**
 * What others say about a person, who cannot mend it: names without what is not allowed in them and cut to their length, and
 * without the fields that are still not acceptable.
 */
export function fitProfile(input: Profile): Profile {
  const profile: Profile = {};
  for (const field of Object.keys(problemOf) as (keyof Profile)[]) {
    const text = isName(field) ? fitName(input[field]) : input[field];
    const parsed = parseProfile({ [field]: text });
    if (parsed.kind === 'valid') Object.assign(profile, parsed.profile);
  }
  return profile;
}

const isName = (field: keyof Profile) => problemOf[field] === problemOfName;

function fitName(text = ''): string | undefined {
  const visible = withoutInvisibleCharacters(text.slice(0, 10 * LONGEST_NAME).normalize('NFC'), JOINER).trim();
  if (visible.replace(JOINERS, '').trim() === '') return undefined;
  return [...visible].slice(0, LONGEST_NAME).join('');
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

import type { ConfigProblem, Environment } from './config-error.ts';
import { namesOf, type ProviderDeclaration } from './provider-variables.ts';
import type { Variable } from './variable.ts';

const OURS = /^(?:DAEMUN|DANGEROUSLY)_/;

/** A misspelt name would otherwise be a setting that silently does nothing. */
export function unknownNames(
  env: Environment,
  variables: Readonly<Record<string, Variable>>,
  providers: readonly ProviderDeclaration[],
): ConfigProblem[] {
  const known = Object.entries(variables).flatMap(([name, { secret }]) => withFile(name, secret));
  const ofProviders = providers.flatMap(providerNames);
  const slips = (name: string, meant: string) => {
    const short = ofProviders.find((own) => own.name === meant)?.short ?? meant;
    return Math.min(distance(name, meant), distance(name, short));
  };
  return Object.keys(env)
    .filter((name) => (OURS.test(name) || ofProviders.some((own) => isNear(name, own))) && !known.includes(name))
    .sort()
    .map((name) => {
      const nearest = known.toSorted((a, b) => slips(name, a) - slips(name, b))[0]!;
      const hint = slips(name, nearest) <= name.length / 3 ? `; perhaps ${nearest} was meant` : '';
      return { variable: name, message: `is not a variable of this service${hint}` };
    });
}

function withFile(name: string, secret: true | undefined): string[] {
  return secret ? [name, `${name}_FILE`] : [name];
}

/** One variable of a provider: GOOGLE_ CLIENT _ID. */
interface ProviderName {
  name: string;
  prefix: string;
  word: string;
  /** Without that word, as people remember it: GOOGLE_SECRET. */
  short: string;
}

function providerNames(provider: ProviderDeclaration): ProviderName[] {
  const { clientId, clientSecret, settings } = namesOf(provider);
  const prefix = `${provider.name.toUpperCase()}_`;
  return [clientId, ...withFile(clientSecret, true), ...Object.values(settings)].map((name) => {
    const [word, ...others] = name.slice(prefix.length).split('_');
    return { name, prefix, word: word!, short: `${prefix}${others.join('_')}` };
  });
}

/**
 * These stand beside others of the same company (GOOGLE_CLOUD_PROJECT, DISCORD_TOKEN), which never stop a start. Ours begin with
 * the provider, and then with a word of ours or one slip away from it; or they leave that word out.
 */
function isNear(name: string, { prefix, word, short }: ProviderName): boolean {
  if (!name.startsWith(prefix)) return false;
  const rest = name.slice(prefix.length);
  if (rest.startsWith(word) || distance(rest.split('_')[0]!, word) <= 1) return true;
  // GOOGLE_ID is anybody's, and so is what a single word leaves.
  return short.length > prefix.length + 2 && distance(name, short) <= 1;
}

/** Slips: a character more, less or another one, or two in the wrong order. */
function distance(a: string, b: string): number {
  let beforeThat: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwapped ? beforeThat[j - 2]! + 1 : replaced;
      current[j] = Math.min(replaced, swapped, previous[j]! + 1, current[j - 1]! + 1);
    }
    beforeThat = previous;
    previous = current;
  }
  return previous[b.length]!;
}

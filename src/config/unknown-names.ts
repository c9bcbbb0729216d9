import type { ConfigProblem, Environment } from './config-error.ts';
import { type Variable, variables } from './schema.ts';

/** Of what stands beside other variables of the same company: the names that are near ours. */
const OURS = /^(?:DAEMUN|DANGEROUSLY)_|^(?:GOOGLE|DISCORD)_(?:CLIENT|HOSTED)/;

/** A misspelt name would otherwise be a setting that silently does nothing. */
export function unknownNames(env: Environment): ConfigProblem[] {
  const known = Object.entries(variables).flatMap(([name, { secret }]: [string, Variable]) =>
    secret ? [name, `${name}_FILE`] : [name],
  );
  return Object.keys(env)
    .filter((name) => OURS.test(name) && !known.includes(name))
    .sort()
    .map((name) => {
      const nearest = known.toSorted((a, b) => distance(name, a) - distance(name, b))[0]!;
      const hint = distance(name, nearest) <= name.length / 3 ? `; perhaps ${nearest} was meant` : '';
      return { variable: name, message: `is not a variable of this service${hint}` };
    });
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current[j] = Math.min(replaced, previous[j]! + 1, current[j - 1]! + 1);
    }
    previous = current;
  }
  return previous[b.length]!;
}

import { isNestedTooDeep } from './json-depth.ts';

/** Bytes of an authorization request outside of PAR, and of a sign-out: what comes from a browser, and from anybody. */
export const LONGEST_REQUEST = 16 * 1024;

/** Bytes of single parameters: what is kept until the person has answered, or comes back in an address. S-013 */
const LONGEST = new Map([
  ['acr_values', 1024],
  ['claims', 8 * 1024],
  ['display', 64],
  ['id_token_hint', 8 * 1024],
  ['idp_hint', 64],
  ['login_hint', 1024],
  ['nonce', 1024],
  ['prompt', 256],
  ['resource', 2 * 1024],
  ['scope', 4 * 1024],
  ['state', 2 * 1024],
  ['ui_locales', 1024],
]);

/** What is wrong with the size of these parameters, or nothing. */
export function sizeProblem(parameters: Iterable<[name: string, value: unknown]>): string | undefined {
  for (const [name, value] of parameters) {
    const longest = LONGEST.get(name);
    if (longest === undefined || value === undefined || value === null) continue;
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (Buffer.byteLength(text) > longest) return `${name} is longer than ${longest} bytes.`;
  }
  return undefined;
}

/** What the engine gets in place of claims that it could not hand on. It refuses them with the right error. S-025 */
const UNREADABLE = 'unreadable';

export function withoutDeepClaims(encoded: string): string {
  if (!MAY_CARRY_CLAIMS.test(encoded)) return encoded;
  const parameters = new URLSearchParams(encoded);
  const [claims, ...more] = parameters.getAll('claims');
  if (claims === undefined || more.length || !isNestedTooDeep(claims)) return encoded;
  parameters.set('claims', UNREADABLE);
  return parameters.toString();
}

/** Named in clear, or some name is encoded. */
const MAY_CARRY_CLAIMS = /claims|(?:^|&)[^=&]*%/;

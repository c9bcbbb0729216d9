import type { Interaction } from './engine.ts';
import type { PendingInteraction } from './identity-provider.ts';

type SignInParameters = PendingInteraction['params'];

/** What a name of an upstream looks like; anything else names none and is ignored. */
const PROVIDER_NAME = /^[a-z][a-z0-9_-]{0,31}$/;

/** What the application wants of the sign-in, for the pages and for an upstream. */
export function askedOfSignIn({ params: given, prompt, session }: Interaction): SignInParameters {
  const params = given as Record<string, string | undefined>;
  const { max_age: maxAge, idp_hint: idpHint } = params;
  const prompts = words(params.prompt) ?? [];
  // Without anybody signed in here the engine gives this reason for every `max_age`.
  const isTooOld = session?.accountId !== undefined && prompt.reasons.includes('max_age');
  return withoutUndefined({
    loginHint: params.login_hint,
    uiLocales: words(params.ui_locales),
    acrValues: words(params.acr_values),
    essentialAcrs: essentialAcrs(params),
    display: params.display,
    prompt: params.prompt,
    idpHint: idpHint !== undefined && PROVIDER_NAME.test(idpHint) ? idpHint : undefined,
    maxAge: maxAge === undefined ? undefined : Number(maxAge),
    // The engine has made `prompt=login` of `max_age=0`.
    freshSignIn: prompts.includes('login') || isTooOld,
  }) as SignInParameters;
}

/** @see OpenID Connect Core 5.5.1.1 */
interface AskedAcr {
  essential?: boolean;
  value?: unknown;
  values?: unknown;
}

/**
 * What the application said of `acr` in the claims parameter itself. The engine lets `acr_values`, a mere wish that anybody can
 * append to an address, overwrite it; what was essential stays so here. S-018
 */
export function askedAcr(claims: unknown): AskedAcr {
  return (typeof claims === 'string' && JSON.parse(claims).id_token?.acr) || {};
}

function essentialAcrs({ claims }: Record<string, string | undefined>): string[] | undefined {
  // The shape was checked when the request came in.
  const { essential, value, values } = askedAcr(claims) as { essential?: boolean; value?: string; values?: string[] };
  return essential ? (values ?? (value === undefined ? undefined : [value])) : undefined;
}

export function words(value: string | undefined): string[] | undefined {
  return value?.split(' ').filter(Boolean);
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

export function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>;
}

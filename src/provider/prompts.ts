import { decodeJwt } from 'jose';
import { askedAcr } from './asked-sign-in.ts';
import { ACR_VALUES } from './assurance.ts';
import { type EngineContext, errors, interactionPolicy } from './engine.ts';
import { requestedAccess } from './requested-access.ts';

const { Check } = interactionPolicy;

/** When the person has to do something before the request can be answered, and what. The engine's own rules, mended where noted. */
export function interactionPrompts() {
  const policy = interactionPolicy.base();
  const login = policy.get('login')!.checks;
  for (const check of [needsPerson, knowsOtherPerson, wantsOtherSubject, needsAssurance]) {
    login.remove(check.reason);
    login.add(check);
  }
  // Two names of one rule in the engine: `acr` given as a value, or as values.
  login.remove('essential_acr');
  login.add(asksForSomething, 0);
  const consent = policy.get('consent')!;
  consent.checks.remove(needsPresence.reason);
  consent.checks.add(needsPresence, 1);
  consent.details = (ctx) => ({ requested: requestedAccess(ctx) });
  return policy;
}

/** Not a question to the person: a request that asks for nothing we have fails before anybody signs in for it. */
const asksForSomething = new Check('scope', 'the requested scope exists', 'login_required', (ctx) => {
  requestedAccess(ctx);
  return false;
});

/** A session whose account is gone or disabled is no sign-in; the engine would go on without a person and stumble. */
const needsPerson = new Check(
  'no_session',
  'End-User authentication is required',
  'login_required',
  ({ oidc }) => !oidc.session?.accountId || !oidc.account,
);

/** Whoever the hint names, or an error; the engine looks at it before the sign-in only. @see OpenID Connect Core 3.1.2.1 */
const knowsOtherPerson = new Check(
  'id_token_hint',
  'id_token_hint and authenticated subject do not match',
  'login_required',
  (ctx) => {
    const hinted = hintedAccountId(ctx.oidc.params?.id_token_hint);
    return hinted !== undefined && isOtherPerson(ctx, hinted);
  },
);

/** @see OpenID Connect Core 5.5.1 */
const wantsOtherSubject = new Check(
  'claims_id_token_sub_value',
  'requested subject could not be obtained',
  'login_required',
  (ctx) => {
    const sub = ctx.oidc.claims.id_token?.sub;
    return sub?.value !== undefined && isOtherPerson(ctx, sub.value);
  },
);

/** Whom an ID token of ours names. It was verified when the request came in, and is kept where only we write. */
export function hintedAccountId(hint: unknown): string | undefined {
  return typeof hint === 'string' ? decodeJwt(hint).sub : undefined;
}

/** Asks somebody else to sign in once; asking for ever would lock the person in. */
function isOtherPerson(ctx: EngineContext, subject: unknown): boolean {
  if (ctx.oidc.session?.accountId === subject) return false;
  if (ctx.oidc.result?.login) throw new errors.LoginRequired('another person signed in than the one asked for');
  return true;
}

/** What cannot be reached fails, instead of asking for the same sign-in again and again. S-018 */
const needsAssurance = new Check(
  'essential_acrs',
  'none of the requested ACRs could be obtained',
  'login_required',
  ({ oidc }) => {
    const { essential, value, values = value === undefined ? undefined : [value] } = askedAcr(oidc.params?.claims);
    if (!essential || values === undefined) return false;
    if (!Array.isArray(values)) throw new errors.InvalidRequest('claims.id_token.acr.values must be an array');
    if (values.includes(oidc.acr)) return false;
    if (oidc.result?.login || !values.some((wanted) => ACR_VALUES.includes(wanted))) {
      throw new errors.UnmetAuthenticationRequirements(
        'none of the requested authentication contexts is possible here',
      );
    }
    return true;
  },
);

/**
 * Any program on the person's machine can listen on a loopback port or claim a private scheme, and so pass for a native client.
 * Such a client gets nothing that the person did not just act for, remembered consent or not; an https address that the system
 * ties to one application is as good as a web client's.
 * @see RFC 8252 8.6, 7.2 (S-015)
 */
const needsPresence = new Check(
  'native_client_prompt',
  'native clients require End-User interaction',
  'interaction_required',
  ({ oidc }) =>
    oidc.client?.applicationType === 'native' &&
    !String(oidc.params?.redirect_uri).startsWith('https://') &&
    !oidc.result?.consent &&
    !oidc.result?.login,
);

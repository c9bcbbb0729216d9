import { hash, randomBytes } from 'node:crypto';
import { policyOf } from './client-policy.ts';
import type { Consent } from './consents.store.ts';
import type { EngineContext, Grant } from './engine.ts';
import { epochTime } from './lifetimes.ts';
import { type RequestedAccess, requestedAccess } from './requested-access.ts';
import { generationOfSession } from './session-adapter.ts';

export interface GrantLoaderOptions {
  findConsent(owner: { userId: string; clientId: string }): Promise<Consent | undefined>;
  /** Takes out of the request what its person may not be given. */
  narrow(ctx: EngineContext): void;
  /** Seconds. A grant must outlive every refresh token that is still to be issued under it. */
  refreshTokenAbsolute: number;
}

/**
 * The engine's grant is one per session and client, and made of the person's remembered consent, which outlives it: revoking a
 * grant ends tokens and asks nobody again. First-party clients need no consent. What is missing is left missing, so that the
 * consent screen asks for exactly that.
 */
export function createGrantLoader({ findConsent, narrow, refreshTokenAbsolute }: GrantLoaderOptions) {
  return async function loadExistingGrant(ctx: EngineContext): Promise<Grant | undefined> {
    narrow(ctx);
    const wanted = requestedAccess(ctx);
    const owner = { accountId: ctx.oidc.account!.accountId, clientId: ctx.oidc.client!.clientId };
    const existing = await grantOfSession(ctx, owner);
    if (existing && covers(existing, wanted)) return outlasts(existing) ? existing : renewed(existing);

    const isFirstParty = policyOf(ctx.oidc.client!).isFirstParty;
    const consent = () => findConsent({ userId: owner.accountId, clientId: owner.clientId });
    const agreed = isFirstParty ? everything(wanted) : await consent();
    if (!agreed) return existing;
    const grant = existing ?? new ctx.oidc.provider.Grant(owner);
    addAgreed(grant, agreed, wanted);
    // A grant that does not cover the request yet is only for working out what to ask.
    if (!covers(grant, wanted)) return grant;
    await (existing ? renewed(grant) : stored(ctx, grant, sharedId(ctx, owner, wanted)));
    // Withdrawn meanwhile: whoever withdrew may not have seen this grant yet, so that it is for this side to look again.
    if (isFirstParty || (await consent())) return grant;
    await grant.destroy();
    return undefined;
  };

  function outlasts({ exp }: Grant): boolean {
    return exp === undefined || exp - epochTime() > refreshTokenAbsolute;
  }
}

type Owner = { accountId: string; clientId: string };

async function grantOfSession(ctx: EngineContext, { accountId, clientId }: Owner): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const grantId = oidc.session!.grantIdFor(clientId);
  const grant = grantId === undefined ? undefined : await oidc.provider.Grant.find(grantId);
  const isTheirs = grant?.accountId === accountId && grant.clientId === clientId;
  return isTheirs && generationOfGrant(grant.jti) === generationOfSession(ctx) ? grant : undefined;
}

function covers(grant: Grant, { scopes, claims, resources }: RequestedAccess): boolean {
  const granted = new Set(grant.getOIDCScope().split(' '));
  const grantedClaims = new Set(grant.getOIDCClaims());
  return (
    scopes.every((scope) => granted.has(scope)) &&
    claims.every((claim) => grantedClaims.has(claim)) &&
    resources.every((resource) => {
      const grantedHere = new Set(grant.getResourceScope(resource.indicator).split(' '));
      return resource.scopes.every((scope) => grantedHere.has(scope));
    })
  );
}

function everything({ scopes, claims, resources }: RequestedAccess): Consent {
  const resourceScopes = Object.fromEntries(resources.map(({ identifier, scopes }) => [identifier, scopes]));
  return { scopes, claims, resourceScopes };
}

function addAgreed(grant: Grant, agreed: Consent, { resources }: RequestedAccess): void {
  if (agreed.scopes.length) grant.addOIDCScope(agreed.scopes);
  if (agreed.claims.length) grant.addOIDCClaims(agreed.claims);
  for (const { indicator, identifier } of resources) {
    const scopes = agreed.resourceScopes[identifier];
    if (scopes?.length) grant.addResourceScope(indicator, scopes);
  }
}

/**
 * Requests that one browser sends at the same moment must end with one grant, because the session keeps one for each client
 * and nothing bound to the session works under another. Each of them makes the same grant: its id follows from the session,
 * the grant that the session had before, and what is asked for. It is no secret; nobody can present it.
 */
function sharedId(ctx: EngineContext, { accountId, clientId }: Owner, wanted: RequestedAccess): string {
  const { session } = ctx.oidc;
  const source = [session!.uid, accountId, clientId, session!.grantIdFor(clientId) ?? null, wanted];
  return grantId(ctx, hash('sha256', `grant:${JSON.stringify(source)}`, 'base64url'));
}

/**
 * Codes and tokens carry the id of their grant, so the id is where they carry the number of their account's access too: what is
 * issued under a grant that was made at the moment when access ended is told apart without another look-up. S-158
 */
function grantId(ctx: EngineContext, name: string): string {
  return `${generationOfSession(ctx)}.${name}`;
}

export function generationOfGrant(id = ''): number {
  return Number(/^(\d+)\./.exec(id)?.[1] ?? 0);
}

/** Under an id of its own when the shared one was revoked and the session does not know it any more. */
async function stored(ctx: EngineContext, grant: Grant, id: string): Promise<Grant> {
  try {
    grant.jti = id;
    return await renewed(grant);
  } catch (error) {
    if ((error as { error?: string }).error !== 'invalid_grant') throw error;
    grant.jti = grantId(ctx, randomBytes(32).toString('base64url'));
    return renewed(grant);
  }
}

/** Saved with a whole new lifetime. */
async function renewed(grant: Grant): Promise<Grant> {
  grant.exp = undefined;
  await grant.save();
  return grant;
}

import type { Context, Middleware } from 'koa';
import type { Csrf } from '../platform/http/csrf.ts';
import { type Form, parseForm } from '../platform/http/form.ts';
import type { IdentityProvider, PendingInteraction } from '../provider/identity-provider.ts';

interface GuardedState {
  form?: Form;
  pending?: PendingInteraction;
}

/** Reads the form and makes sure that it is ours. S-155, S-170 */
export function readForm(csrf: Csrf): Middleware {
  return async function readForm(ctx, next) {
    const form = await parseForm(ctx);
    csrf.check(ctx, form);
    (ctx.state as GuardedState).form = form;
    return next();
  };
}

/**
 * Finds what this browser has to do at this address. An answer to another question than the one that is open changes nothing: the
 * browser is shown the open one. S-143
 */
export function findPending(
  identityProvider: Pick<IdentityProvider, 'pendingInteraction'>,
  step?: PendingInteraction['prompt'],
): Middleware {
  return async function findPending(ctx, next) {
    const pending = await identityProvider.pendingInteraction(ctx);
    if (step && pending.prompt !== step) return seeOther(ctx, interactionPath(pending.uid));
    (ctx.state as GuardedState).pending = pending;
    return next();
  };
}

/** After `readForm`. */
export function formOf(ctx: Context): Form {
  return (ctx.state as Required<GuardedState>).form;
}

/** After `findPending`. */
export function pendingOf(ctx: Context): PendingInteraction {
  return (ctx.state as Required<GuardedState>).pending;
}

export function interactionPath(uid: string, step?: 'login' | 'consent' | 'abort' | 'logo'): string {
  return step ? `/interaction/${uid}/${step}` : `/interaction/${uid}`;
}

/** S-011 */
export function seeOther(ctx: Context, address: string): void {
  ctx.redirect(address);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
  // Where to is said once, in the header: a body would repeat what an address carries.
  ctx.body = '';
}

import { interactionPath } from './guards.ts';

// The addresses between us and an upstream, all of them here. Provider names and interactions are ours, never a stranger's text.

/** Where a person leaves for an upstream (POST) and comes back from it (GET). */
export function upstreamPath(uid: string, provider: string): string {
  return `${interactionPath(uid)}/upstream/${provider}`;
}

/** The one address of a provider that is registered there, the same for everybody. */
export function callbackPath(provider: string): string {
  return `/callback/${provider}`;
}

/** The page of a link (GET, POST), or where a person leaves from it for a provider that proves the account (POST). */
export function linkPath(uid: string, link: string, provider?: string): string {
  const page = `${interactionPath(uid)}/link/${link}`;
  return provider === undefined ? page : `${page}/${provider}`;
}

import type { UpstreamProvider } from './provider.ts';

/** Every provider there is, in the order of the buttons: one line for each. */
export const providers: readonly UpstreamProvider[] = [
  (await import('./google.ts')).google,
  (await import('./discord.ts')).discord,
];

import type { Assets } from './assets.ts';
import type { UpstreamView } from './views.ts';

/**
 * A provider on a page. Its mark is a file that carries its name: one that is added brings `upstream-<provider>.svg`, and
 * `upstream-<provider>-dark.svg` where its brand asks for another one on dark ground.
 */
export function upstreamView(
  { provider, displayName }: { provider: string; displayName: string },
  assets: Pick<Assets, 'find'>,
): UpstreamView {
  const [mark, markOnDark] = [`upstream-${provider}.svg`, `upstream-${provider}-dark.svg`];
  return {
    provider,
    name: displayName,
    ...(assets.find(mark) && { mark }),
    ...(assets.find(markOnDark) && { markOnDark }),
  };
}

import type { ProtectedResource } from './protected-resource.ts';

export interface MetadataResponse {
  readonly status: 200 | 405;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** RFC 9728 section 3.2. Readable from any origin: clients in browsers discover the provider by it. */
export function metadataResponse({ metadata }: ProtectedResource, method: string): MetadataResponse {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { allow: 'GET, HEAD' }, body: '' };
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'public, max-age=300',
      'access-control-allow-origin': '*',
    },
    body: JSON.stringify(metadata),
  };
}

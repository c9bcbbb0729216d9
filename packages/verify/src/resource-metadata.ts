import { checkSecureUrl } from './secure-url.ts';

/**
 * What a resource server says about itself, in the words of the RFC.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9728#section-2 RFC 9728 section 2}
 */
export interface ProtectedResourceMetadata {
  readonly resource: string;
  readonly authorization_servers?: readonly string[];
  readonly scopes_supported?: readonly string[];
  readonly bearer_methods_supported?: readonly string[];
  readonly resource_name?: string;
  readonly resource_documentation?: string;
  readonly resource_policy_uri?: string;
  readonly resource_tos_uri?: string;
  readonly dpop_signing_alg_values_supported?: readonly string[];
  readonly dpop_bound_access_tokens_required?: boolean;
  readonly [extension: string]: unknown;
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/**
 * Completes a metadata document: tokens are taken in the header only, and what is undefined or empty is left out, as
 * section 2 asks for lists without elements.
 *
 * @throws TypeError when `resource` is not a URL without fragment
 */
export function protectedResourceMetadata(metadata: ProtectedResourceMetadata): ProtectedResourceMetadata {
  checkSecureUrl(metadata.resource, 'resource', true); // only a name here: nothing is fetched from it
  const complete = { ...metadata, bearer_methods_supported: metadata.bearer_methods_supported ?? ['header'] };
  const present = Object.entries(complete).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(present) as ProtectedResourceMetadata;
}

/** Section 3.1: the well-known part goes between the host and the path of the resource. */
export function protectedResourceMetadataUrl(resource: string): URL {
  const url = new URL(resource);
  url.pathname = WELL_KNOWN + (url.pathname === '/' ? '' : url.pathname);
  return url;
}

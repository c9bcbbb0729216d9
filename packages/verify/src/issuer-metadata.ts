import { type Fetch, fetchJson } from './fetch-json.ts';
import { checkSecureUrl } from './secure-url.ts';

export interface IssuerMetadataOptions {
  readonly issuer: string;
  readonly allowHttp: boolean;
  readonly fetch: Fetch;
}

/**
 * Where the issuer keeps something, by its discovery document.
 *
 * @throws Error when there is no document to be had, or it is another issuer's, or it names no secure URL there
 * @see RFC 8414 section 3.3, OpenID Connect Discovery section 4.3: the document must claim the issuer it was asked of
 */
export async function discover(
  member: 'jwks_uri' | 'introspection_endpoint',
  { issuer, allowHttp, fetch }: IssuerMetadataOptions,
): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const { document } = await fetchJson(url, fetch);
  const metadata = (document ?? {}) as Record<string, unknown>;
  if (metadata.issuer !== issuer) throw new Error(`${url} speaks for another issuer: ${String(metadata.issuer)}`);
  return checkSecureUrl(metadata[member], member, allowHttp).href;
}

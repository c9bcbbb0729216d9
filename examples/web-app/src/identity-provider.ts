import * as client from 'openid-client';

export interface ProviderSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** Without one the application is a public client, protected by PKCE alone. */
  readonly clientSecret: string | undefined;
  readonly redirectUri: string;
  readonly postLogoutRedirectUri: string;
}

/** What must be remembered between leaving for the provider and coming back. */
export interface SignInAttempt {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  /** The API that the tokens shall be for (RFC 8707); `undefined` when they are for userinfo. */
  readonly resource: string | undefined;
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  readonly scope: string | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface SignedIn {
  readonly tokens: Tokens;
  readonly claims: client.IDToken;
}

/** The only file that speaks OpenID Connect; openid-client does the speaking. */
export class IdentityProvider {
  readonly #settings: ProviderSettings;
  readonly #refreshing = new Map<string, Promise<Tokens>>();
  #configuration: Promise<client.Configuration> | undefined;

  constructor(settings: ProviderSettings) {
    this.#settings = settings;
  }

  /** Where to send the browser, and what to remember until it returns: code flow with PKCE S256, state and nonce. */
  async begin({
    scope,
    resource,
  }: {
    scope: string;
    resource?: string;
  }): Promise<{ url: URL; attempt: SignInAttempt }> {
    const configuration = await this.#discovered();
    const attempt = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      codeVerifier: client.randomPKCECodeVerifier(),
      resource,
    };
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#settings.redirectUri,
      scope,
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(attempt.codeVerifier),
      code_challenge_method: 'S256',
      ...(resource !== undefined && { resource }),
    });
    return { url, attempt };
  }

  /** Exchanges the code. openid-client checks state, `iss` (RFC 9207), and signature, audience and nonce of the ID token. */
  async finish(returnedTo: URL, { state, nonce, codeVerifier, resource }: SignInAttempt): Promise<SignedIn> {
    const response = await client.authorizationCodeGrant(
      await this.#discovered(),
      returnedTo,
      { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: codeVerifier, idTokenExpected: true },
      resource === undefined ? undefined : { resource },
    );
    return { tokens: tokensOf(response), claims: response.claims() as client.IDToken };
  }

  /** openid-client compares the subject, so that nobody can slip in another person's answer. */
  async userInfo(accessToken: string, subject: string): Promise<client.UserInfoResponse> {
    return client.fetchUserInfo(await this.#discovered(), accessToken, subject);
  }

  /**
   * A refresh token is replaced at each use, and using one twice looks like theft: tabs that refresh at the same time
   * share one request.
   */
  refresh(tokens: Tokens, resource?: string): Promise<Tokens> {
    const refreshToken = tokens.refreshToken as string;
    const running = this.#refreshing.get(refreshToken);
    if (running !== undefined) return running;
    const refresh = this.#refresh(tokens, resource).finally(() => this.#refreshing.delete(refreshToken));
    this.#refreshing.set(refreshToken, refresh);
    return refresh;
  }

  /** What the provider does not send anew stays as it was. */
  async #refresh(tokens: Tokens, resource: string | undefined): Promise<Tokens> {
    const response = await client.refreshTokenGrant(
      await this.#discovered(),
      tokens.refreshToken as string,
      resource === undefined ? undefined : { resource },
    );
    const fresh = tokensOf(response);
    return {
      ...fresh,
      refreshToken: fresh.refreshToken ?? tokens.refreshToken,
      idToken: fresh.idToken ?? tokens.idToken,
    };
  }

  /** Where the provider ends its own session (RP-initiated logout); `undefined` when it cannot. */
  async signOutUrl(idToken: string | undefined): Promise<URL | undefined> {
    const configuration = await this.#discovered();
    if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
    return client.buildEndSessionUrl(configuration, {
      post_logout_redirect_uri: this.#settings.postLogoutRedirectUri,
      state: 'signed-out',
      ...(idToken !== undefined && { id_token_hint: idToken }),
    });
  }

  /** Once, and again only after it failed: the application may start before its provider. */
  #discovered(): Promise<client.Configuration> {
    this.#configuration ??= this.#discover().catch((error) => {
      this.#configuration = undefined;
      throw error;
    });
    return this.#configuration;
  }

  #discover(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecret } = this.#settings;
    const authentication = clientSecret === undefined ? client.None() : client.ClientSecretBasic(clientSecret);
    return client.discovery(new URL(issuer), clientId, undefined, authentication, {
      timeout: 10,
      execute: [
        client.enableNonRepudiationChecks, // the signature of ID tokens too, although they come straight from the provider
        ...(new URL(issuer).protocol === 'http:' ? [client.allowInsecureRequests] : []), // a provider on this machine
      ],
    });
  }
}

function tokensOf(response: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers): Tokens {
  return {
    accessToken: response.access_token,
    refreshToken: response.refresh_token,
    idToken: response.id_token,
    scope: response.scope,
    expiresAt: Date.now() + (response.expiresIn() ?? 300) * 1000,
  };
}

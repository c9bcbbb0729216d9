import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, Middleware } from 'koa';
import type { SigningKeySet } from '../signing-keys/key-set.ts';
import type { OwnSession } from './own-session.ts';

/** The protocol as the rest of the service sees it. */
export interface IdentityProvider {
  /**
   * Discovery, keys, and the endpoints that programs call, for requests to our host: to be asked ahead of any middleware. False
   * when the request is for something else.
   */
  answer(req: IncomingMessage, res: ServerResponse): boolean;
  /** The protocol's routes for browsers; everything else is passed on. */
  middleware: Middleware;
  /** What this browser has to do at this address. @throws AppError interaction_expired */
  pendingInteraction(ctx: Context): Promise<PendingInteraction>;
  /** Hands over what the person did and sends the browser on. @throws AppError interaction_expired, bad_request */
  finishInteraction(ctx: Context, result: InteractionResult): Promise<void>;
  /** Who is signed in here, in the browser that asks; nobody, when the session or its person's access has ended. */
  currentSession(ctx: Context): Promise<OwnSession | undefined>;
  /** Goes on with another key set. Requests that are being answered keep the one they started with. */
  replaceKeys(keys: SigningKeySet): Promise<void>;
  /** URLs by their names in the discovery document. */
  endpoints: Record<string, string>;
}

export interface PendingInteraction {
  uid: string;
  prompt: 'login' | 'consent';
  reasons: string[];
  client: {
    id: string;
    name: string;
    logoUri?: string;
    policyUri?: string;
    tosUri?: string;
    clientUri?: string;
    isFirstParty: boolean;
    /** Where the browser goes next. */
    redirectHost?: string;
  };
  params: {
    loginHint?: string;
    uiLocales?: string[];
    acrValues?: string[];
    /** The request fails unless the sign-in reaches one of these. */
    essentialAcrs?: string[];
    display?: string;
    prompt?: string;
    /** The upstream that the application wants to be used. A name that may mean nothing here. */
    idpHint?: string;
    /** Seconds. */
    maxAge?: number;
    /** Whom the application says it is about, by an ID token of ours. */
    hintedAccountId?: string;
    /** The person has to prove now who they are: a session that an upstream still has is not enough. S-164 */
    freshSignIn: boolean;
  };
  /** Who is signed in, when somebody is. */
  accountId?: string;
  /** For `consent`: what the person is asked for. */
  missing?: {
    scopes: string[];
    claims: string[];
    resources: { identifier: string; name: string; scopes: { name: string; description: string }[] }[];
  };
  /** Seconds. */
  accessTokenLifetime: number;
  offlineAccess: boolean;
}

export interface CompleteSignIn {
  accountId: string;
  /** Of the account when the person proved who they are; now, when absent. If access is ended after it, this signs nobody in. */
  accessGeneration?: number;
  amr: string[];
  acr?: string;
  /** The upstream that said who it is. */
  provider?: string;
  remember?: boolean;
}

export type InteractionResult =
  | { login: CompleteSignIn }
  | { consent: 'granted' }
  | { error: 'access_denied'; error_description?: string };

/** The pages that the protocol needs and does not draw itself. */
export interface ProtocolScreens {
  error(ctx: Context, error: { error: string; description?: string; status: number }): void | Promise<void>;
  /** `form` is the engine's hidden form; the buttons belong to it by `form="op.logoutForm"`, `name="logout" value="yes"`. */
  signOut(ctx: Context, page: { form: string; client?: { name: string }; accountId?: string }): void | Promise<void>;
  signedOut(ctx: Context, page: { client?: { name: string; clientUri?: string } }): void | Promise<void>;
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, Middleware } from 'koa';
import type { SigningKeySet } from '../signing-keys/signing-keys.ts';

/** The protocol as the rest of the service sees it. */
export interface IdentityProvider {
  /** All protocol routes; everything else is passed on. */
  middleware: Middleware;
  /** Discovery and keys for requests to our host, ahead of any middleware; false when the request is for something else. */
  answerFromMemory(req: IncomingMessage, res: ServerResponse): boolean;
  /** What this browser has to do at this address. @throws AppError interaction_expired */
  pendingInteraction(ctx: Context): Promise<PendingInteraction>;
  /** Hands over what the person did and sends the browser on. @throws AppError interaction_expired, bad_request */
  finishInteraction(ctx: Context, result: InteractionResult): Promise<void>;
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
  params: { loginHint?: string; uiLocales?: string[]; acrValues?: string[]; display?: string; prompt?: string };
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

export type InteractionResult =
  | { login: { accountId: string; amr: string[]; acr?: string; remember?: boolean } }
  | { consent: 'granted' }
  | { error: 'access_denied'; error_description?: string };

/** The pages that the protocol needs and does not draw itself. */
export interface ProtocolScreens {
  error(ctx: Context, error: { error: string; description?: string; status: number }): void | Promise<void>;
  /** `form` is the engine's hidden form; the buttons belong to it by `form="op.logoutForm"`, `name="logout" value="yes"`. */
  signOut(ctx: Context, page: { form: string; client?: { name: string }; accountId?: string }): void | Promise<void>;
  signedOut(ctx: Context, page: { client?: { name: string; clientUri?: string } }): void | Promise<void>;
}

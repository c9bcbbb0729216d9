import type { Message } from '../platform/http/messages.ts';
import { CONSOLE_SCREEN_NAMES, type ConsoleViews } from './console-views.ts';
import type { PersonView, Problems } from './view-parts.ts';

export type { PersonView, Problems } from './view-parts.ts';

/** What the template of each screen gets as `it`, besides the frame. Field names are a promise to operators who replace a template. */
export interface Views extends ConsoleViews {
  welcome: WelcomeView;
  setup: SetupView;
  'set-password': SetPasswordView;
  login: LoginView;
  link: LinkView;
  'upstream-error': UpstreamErrorView;
  consent: ConsentView;
  'sign-out': SignOutView;
  'signed-out': SignedOutView;
  error: ErrorView;
  mailbox: MailboxView;
  playground: PlaygroundView;
}

export type ScreenName = keyof Views;

export const SCREEN_NAMES: readonly ScreenName[] = [
  'welcome',
  'setup',
  'set-password',
  'login',
  'link',
  'upstream-error',
  'consent',
  'sign-out',
  'signed-out',
  'error',
  'mailbox',
  'playground',
  ...CONSOLE_SCREEN_NAMES,
];

/** The application that asks. Links come from its registration, which allows web addresses only. */
export interface ClientView {
  name: string;
  /** The first letter of its name, shown until the logo has come. */
  initial: string;
  logoUrl?: string;
  policyUrl?: string;
  termsUrl?: string;
  homeUrl?: string;
  /** Where the browser is sent afterwards; only for applications of other makers. */
  host?: string;
}

/** A person together with what they type to sign in, for password managers. */
export interface LoginPersonView extends PersonView {
  loginName: string;
}

interface FormView {
  action: string;
  csrf: string;
  problems?: Problems;
}

export interface WelcomeView {
  /** A quiet page: no hints about the inside. */
  production: boolean;
  setupNeeded: boolean;
  issuer: string;
  discoveryUrl: string;
  jwksUrl: string;
  playgroundUrl?: string;
  mailboxUrl?: string;
  /** One's own API keys. */
  accountUrl?: string;
}

export interface SetupView extends FormView {
  values: { userName?: string; name?: string; email?: string };
  minimumLength: number;
  /** Present once the administrator exists. */
  done?: { name: string; playgroundUrl?: string };
}

export interface SetPasswordView extends FormView {
  account: LoginPersonView;
  /** The person signed in and must choose a new password first. */
  required: boolean;
  minimumLength: number;
  done?: { continueUrl?: string };
}

/** Another provider, such as Google. */
export interface UpstreamView {
  /** Its name in addresses and file names. */
  provider: string;
  name: string;
  /** Files in `assets/`; without one its initial stands for it. */
  mark?: string;
  markOnDark?: string;
}

export interface LoginView extends FormView {
  abortAction: string;
  client: ClientView;
  values: { email?: string };
  /** Signed in already, asked to prove it again: only this person. */
  boundTo?: LoginPersonView;
  otherAccountUrl?: string;
  /** Why they are here although they wanted to go elsewhere. Not beside a problem. */
  notice?: Message;
  /** Providers to sign in with instead, each with the address that its form is sent to. Absent when there is none. */
  upstreams?: (UpstreamView & { action: string })[];
}

/** An account here has the address that the provider vouches for: whose it is must be proven once. */
export interface LinkView extends FormView {
  upstream: UpstreamView;
  /** The address that both sides know, and nothing else of the account. */
  account: { loginName: string; initial: string };
  /** Whether there is a password to prove it with; the form is shown only then. */
  hasPassword: boolean;
  /** Where it can be proven instead, when there is none: each with the address that its form is sent to. */
  proofs?: (UpstreamView & { action: string })[];
  /** Why they are here again, after they tried one of `proofs`. Not beside a problem. */
  notice?: Message;
  /** The sign-in page. */
  backUrl: string;
}

/** A sign-in elsewhere that got nobody in here. */
export interface UpstreamErrorView {
  /** For developers, beside the words for people. */
  code: string;
  title: Message;
  text: Message;
  upstream?: UpstreamView;
  /** The sign-in page, where there is one to go back to. */
  signInUrl?: string;
}

export interface PermissionView {
  icon: string;
  title: Message;
  detail?: Message;
}

export interface ConsentView extends FormView {
  client: ClientView;
  account: PersonView;
  permissions: PermissionView[];
  resources: { name: string; identifier: string; scopes: { name: string; description: string }[] }[];
  /** Seconds. */
  accessTokenLifetime: number;
  offlineAccess: boolean;
  /** A digest of all of the above: the answer counts only for what was shown. */
  shown: string;
}

export interface SignOutView {
  /** The engine's own hidden form, printed as it is. */
  form: string;
  formId: string;
  client?: { name: string };
  account?: PersonView;
}

export interface SignedOutView {
  client?: { name: string; homeUrl?: string };
}

export interface ErrorView {
  /** For developers, beside the words for people. */
  code: string;
  title: Message;
  text: Message;
  description?: string;
  requestId?: string;
  /** Seconds. */
  retryAfter?: number;
  /** The page that can be asked for once more. */
  retryUrl?: string;
}

export interface MailboxView {
  messages: MailView[];
}

export interface MailView {
  id: string;
  recipient: string;
  subject: string;
  /** ISO 8601. */
  at: string;
  /** The text, cut where a link begins and ends. */
  parts: { text: string; href?: string }[];
}

export interface PlaygroundView {
  issuer: string;
  clientId: string;
  redirectUri: string;
  postLogoutRedirectUri: string;
  scopes: { name: string; chosen: boolean }[];
  /** At the redirect URI: the page looks for the answer in its own address. */
  returning: boolean;
}

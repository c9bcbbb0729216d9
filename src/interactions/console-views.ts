import type { Message } from '../platform/http/messages.ts';
import type { PersonView, Problems } from './view-parts.ts';

/** What the templates in `interactions/console/` get: pages for somebody who is signed in. */
export interface ConsoleViews {
  'api-keys': ApiKeysView;
  'api-key-form': ApiKeyFormView;
  'api-key-value': ApiKeyValueView;
  'api-key-rotate': ApiKeyRotateView;
  'api-key-revoke': ApiKeyRevokeView;
  'account-sign-in': AccountSignInView;
}

export const CONSOLE_SCREEN_NAMES = [
  'api-keys',
  'api-key-form',
  'api-key-value',
  'api-key-rotate',
  'api-key-revoke',
  'account-sign-in',
] as const satisfies readonly (keyof ConsoleViews)[];

/** Whose pages these are. */
interface AccountFrame {
  account: PersonView;
  signOutUrl: string;
}

interface AccountFormView extends AccountFrame {
  action: string;
  csrf: string;
  problems?: Problems;
  /** The page before. */
  backUrl: string;
}

/** Words of a resource server are its operator's; those of our own API are messages. */
export type Words = string | { message: Message };

/** What a key may, in words. */
export interface RightsView {
  /** Of a resource server. */
  name: Words;
  scopes: { name: string; description: Words }[];
}

export interface ApiKeyView {
  id: string;
  name: string;
  description?: string;
  /** `sk-…abcd` */
  masked: string;
  /** `replaced` still works, until its end; its successor is there. */
  state: 'active' | 'replaced' | 'expired' | 'revoked';
  rights: RightsView[];
  /** Addresses and CIDR blocks; empty: from anywhere. */
  addresses: string[];
  /** ISO 8601, all of them. */
  createdAt: string;
  lastUsedAt?: string;
  expiresAt?: string;
  revokedAt?: string;
  /** Absent when it cannot be any more. */
  changeUrl?: string;
  rotateUrl?: string;
  revokeUrl?: string;
}

export interface ApiKeysView extends AccountFrame {
  /** Those that work, newest first. */
  keys: ApiKeyView[];
  /** Those that do not any more. */
  ended: ApiKeyView[];
  /** How many may work at once. */
  limit: number;
  /** Absent when there are as many as there may be. */
  newUrl?: string;
  /** What was just done. */
  notice?: Message;
  /** Further keys, older than these. */
  olderUrl?: string;
  /** Back to the newest, from older ones. */
  newestUrl?: string;
}

export interface ScopeChoice {
  /** The name of its checkbox, whose value is `yes`. */
  field: string;
  /** Of the scope; absent for a resource server without scopes, which can only be called. */
  name?: string;
  description: Words;
  chosen: boolean;
}

export interface ApiKeyFormView extends AccountFormView {
  /** When one is changed; absent for a new one. */
  key?: { name: string; masked: string };
  values: { name: string; description: string; date: string; addresses: string };
  resources: { name: Words; identifier: string; scopes: ScopeChoice[]; open: boolean }[];
  /** The value `date` goes with the field of that name. `until` (ISO 8601) belongs into the label. */
  expiry: { value: string; label: Message; chosen: boolean; until?: string }[];
  /** The first and the last day that may be chosen: `2027-01-31`. */
  dates: { first: string; last?: string };
}

/** The only page that ever has a key's value in it. */
export interface ApiKeyValueView extends AccountFrame {
  name: string;
  value: string;
  /** ISO 8601. */
  expiresAt?: string;
  /** After a rotation: until when the value before still works. */
  before?: { worksUntil?: string };
  /** A command that uses it. */
  example: string;
  doneUrl: string;
}

export interface ApiKeyRotateView extends AccountFormView {
  key: { name: string; masked: string };
  overlaps: { value: string; label: Message; chosen: boolean }[];
}

export interface ApiKeyRevokeView extends AccountFormView {
  key: { name: string; masked: string; lastUsedAt?: string };
}

/** Before somebody signs in, or signs in once more: why. */
export interface AccountSignInView {
  title: Message;
  text: Message;
  submit: Message;
  signInUrl: string;
  account?: PersonView;
  backUrl?: string;
}

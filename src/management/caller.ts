import type { Account } from '../accounts/account.ts';
import type { Access } from '../api-keys/api-key.ts';
import { OWN_API_SCOPES } from '../api-keys/own-api.ts';
import type { OwnSession } from '../provider/own-session.ts';

export type Principal =
  /** `account`: where it was read already. */
  | { kind: 'user'; id: string; account?: Account }
  | { kind: 'service_account'; id: string }
  /** The installation itself. */
  | { kind: 'system'; id: string };

/** Who asks, by what, and what they may. */
export interface Caller {
  via: 'administrator_session' | 'api_key' | 'access_token' | 'session';
  principal: Principal;
  /** Now, whatever the credential was made with. */
  isAdministrator: boolean;
  scopes: ReadonlySet<string>;
  /** The most that keys made by this caller may have. Absent: people who are here themselves. */
  within?: Access;
  /** And where these may be used from at most: CIDR blocks. Absent: anywhere. */
  addresses?: string[];
  session?: OwnSession;
  apiKeyId?: string;
  clientId?: string;
  /** The client that acts for the principal. */
  actor?: string;
  expiresAt?: Date;
}

const OWN_SCOPES = OWN_API_SCOPES.filter(({ forAdministrators }) => !forAdministrators).map(({ name }) => name);
const ALL_SCOPES = OWN_API_SCOPES.map(({ name }) => name);

/** A person who is here themselves may all that concerns themselves, and an administrator everything. */
export function callerOfSession(session: OwnSession): Caller {
  const { account } = session;
  const { isAdministrator } = account;
  return {
    via: isAdministrator ? 'administrator_session' : 'session',
    principal: { kind: 'user', id: account.id, account },
    isAdministrator,
    scopes: new Set<string>(isAdministrator ? ALL_SCOPES : OWN_SCOPES),
    session,
  };
}

import { digestOf } from './artifact-identity.ts';
import type { AdapterPayload } from './engine.ts';
import { openInteraction, sealInteraction } from './sealed-interaction.ts';

/** One row to be, as `artifact-writes.ts` sends it. */
export interface ArtifactRecord {
  id: Buffer;
  kind: string;
  grantId: Buffer | null;
  accountId: string | null;
  clientId: string | null;
  uid: string | null;
  sessionUid: string | null;
  payload: string;
  /** Seconds; the database's clock makes a time of it. */
  lifetime: number | null;
}

/** Kinds that stand on their own, by which everything else is reached when it must end; an interaction's person is inside. */
const HAS_ACCOUNT = new Set(['Session', 'Grant']);
const HAS_CLIENT = new Set(['Grant', 'ClientCredentials', 'InitialAccessToken', 'RegistrationAccessToken']);

/** A client chooses when its assertion expires; more than 68 years do not fit. */
const LONGEST = 2 ** 31 - 1;

export function recordOf(model: string, value: string, payload: AdapterPayload, lifetime?: number): ArtifactRecord {
  const { grantId, clientId, uid, sessionUid, expiresWithSession } = payload;
  const text = textOf(payload);
  return {
    id: digestOf(model, value),
    kind: model,
    // An interaction remembers a grant; it does not belong to it.
    grantId: grantId && model !== 'Interaction' ? digestOf('Grant', grantId) : null,
    accountId: accountOf(model, payload) || null,
    clientId: (HAS_CLIENT.has(model) && clientId) || null,
    uid: (model === 'Session' && uid) || null,
    sessionUid: (expiresWithSession && sessionUid) || null,
    payload: model === 'Interaction' ? sealInteraction(value, text) : text,
    lifetime: lifetime === undefined ? null : Math.max(-LONGEST, Math.min(LONGEST, Math.trunc(lifetime))),
  };
}

/** Whose it is: what an interaction holds of a person must end with everything else of theirs, above all a finished sign-in. */
export function accountOf(
  model: string,
  {
    accountId,
    result,
    lastSubmission,
    session,
  }: Pick<AdapterPayload, 'accountId' | 'result' | 'lastSubmission' | 'session'>,
): string | undefined {
  if (model === 'Interaction') {
    return result?.login?.accountId ?? lastSubmission?.login?.accountId ?? session?.accountId;
  }
  return HAS_ACCOUNT.has(model) ? accountId : undefined;
}

/** The value and the model's name stay out: the one must not be in the database, the other has a column, as has `consumed`. */
export function textOf({ jti, kind, consumed, ...rest }: AdapterPayload): string {
  return JSON.stringify(rest);
}

export function payloadOf(model: string, value: string | undefined, stored: string): AdapterPayload {
  const text = model === 'Interaction' && value !== undefined ? openInteraction(value, stored) : stored;
  const payload = JSON.parse(text) as AdapterPayload;
  payload.kind = model;
  if (value !== undefined) payload.jti = value;
  return payload;
}

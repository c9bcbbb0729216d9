import { randomBytes } from 'node:crypto';
import type { Adapter, AdapterPayload } from '../../src/provider/engine.ts';

/** As the engine makes its own: 256 random bits. */
export function newValue(): string {
  return randomBytes(32).toString('base64url');
}

/** Every kind that the engine knows. */
export const MODELS = [
  'Session',
  'Interaction',
  'Grant',
  'AuthorizationCode',
  'RefreshToken',
  'AccessToken',
  'ClientCredentials',
  'PushedAuthorizationRequest',
  'ReplayDetection',
  'DeviceCode',
  'InitialAccessToken',
  'RegistrationAccessToken',
  'BackchannelAuthenticationRequest',
];

export interface Adapters {
  adapterFor(model: string): Adapter;
}

export function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** A payload as the engine hands it over: with the value and the kind inside, and with what every model has. */
export function payloadFor(model: string, value: string, more: AdapterPayload = {}, lifetime = 600): AdapterPayload {
  return { iat: now(), exp: now() + lifetime, kind: model, jti: value, ...more };
}

/** Stores an artifact and gives back its value. */
export async function store(
  adapters: Adapters,
  model: string,
  more: AdapterPayload = {},
  { value = newValue(), lifetime = 600 } = {},
): Promise<string> {
  await put(adapters, model, value, payloadFor(model, value, more, lifetime), lifetime);
  return value;
}

/** As the engine does it: an interaction is there before it has an answer. */
export async function put(
  adapters: Adapters,
  model: string,
  value: string,
  payload: AdapterPayload,
  lifetime: number,
): Promise<void> {
  const adapter = adapters.adapterFor(model);
  const { result, ...asked } = payload;
  if (result) await adapter.upsert(value, structuredClone(asked), lifetime);
  await adapter.upsert(value, payload, lifetime);
}

export const ACCOUNT = '01939e3a-7b54-7000-8000-000000000001';

/** A grant and what can be stored under it. */
export async function storeGrant(
  adapters: Adapters,
  { accountId = ACCOUNT, clientId = 'client' } = {},
): Promise<string> {
  return store(adapters, 'Grant', { accountId, clientId, openid: { scope: 'openid' } } as AdapterPayload);
}

export async function storeCode(adapters: Adapters, grantId?: string): Promise<string> {
  const grant = grantId ?? (await storeGrant(adapters));
  return store(
    adapters,
    'AuthorizationCode',
    { grantId: grant, accountId: ACCOUNT, clientId: 'client' },
    { lifetime: 60 },
  );
}

export async function storeRefreshToken(adapters: Adapters, grantId?: string): Promise<string> {
  const grant = grantId ?? (await storeGrant(adapters));
  return store(adapters, 'RefreshToken', { grantId: grant, accountId: ACCOUNT, clientId: 'client', rotations: 0 });
}

/** What becomes of each of many calls made at once. */
export async function outcomesOf(
  calls: Promise<unknown>[],
): Promise<{ succeeded: number; errors: { error?: string }[] }> {
  const settled = await Promise.allSettled(calls);
  return {
    succeeded: settled.filter(({ status }) => status === 'fulfilled').length,
    errors: settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : [])),
  };
}

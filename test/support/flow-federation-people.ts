import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from '@jest/globals';
import type { FakePerson } from './fake-upstream.ts';
import {
  begin,
  type FederatedOptions,
  type FederatedService,
  type ProviderName,
  proveByPassword,
  redeem,
  startFederatedService,
  visitProvider,
} from './flow-federation.ts';

export const BOTH: ProviderName[] = ['google', 'discord'];

export const FEDERATED = 'urn:daemun:acr:federated';
export const ONE_FACTOR = 'urn:daemun:acr:one-factor';
export const WANTS_IDP = { claims: JSON.stringify({ id_token: { idp: null }, userinfo: { idp: null } }) };
export const wantsAcr = (...values: string[]) => ({
  claims: JSON.stringify({ id_token: { acr: { essential: true, values } } }),
});

/** Opens the service before the tests of this file, or of this group, and closes it after them. */
export function useFederatedService(hand: (service: FederatedService) => void, options: FederatedOptions = {}): void {
  let service: FederatedService | undefined;
  beforeAll(async () => {
    service = await startFederatedService(options);
    hand(service);
  });
  afterAll(() => service?.close());
}

/** Somebody elsewhere who has an address. */
export type Stranger = FakePerson & { email: string };

let count = 0;

/** Somebody new whom both providers know, by a subject that no other text contains by chance. */
export function introduceSomebody(service: FederatedService, details: Partial<FakePerson> = {}): Stranger {
  count += 1;
  const subject = String(900_000_000_000_000_000n + BigInt(count));
  const known = { subject, email: `${randomUUID()}@example.com`, verified: true, name: 'Hana Kim', ...details };
  service.introduce(known);
  return known as Stranger;
}

/** An account with a password, and the person of this provider linked to it. */
export async function linkSomebody(service: FederatedService, provider: ProviderName, person: Stranger) {
  const accountId = await service.createPerson({ email: person.email });
  const begun = await begin(service);
  const page = await visitProvider(service, provider, begun, { as: person.subject });
  await redeem(service, begun, await proveByPassword(begun.browser, page));
  return { accountId, browser: begun.browser };
}

/** How much there is of what a refusal must not add to. */
export async function tracesOf({ services: { database } }: FederatedService) {
  const { user, federatedIdentity, userSession } = database.prisma;
  const [users, identities, sessions] = [user.count(), federatedIdentity.count(), userSession.count()];
  return { users: await users, identities: await identities, sessions: await sessions };
}

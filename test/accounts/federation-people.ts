import type { FederatedIdentity, FederatedOutcome } from '../../src/accounts/federation.ts';

let identities = 0;

/** Somebody at Google, unlike anybody before. */
export function googleIdentity(said: Partial<FederatedIdentity> = {}): FederatedIdentity {
  identities += 1;
  return {
    provider: 'google',
    subject: `1098765${identities}`,
    email: { address: `stranger${identities}@gmail.test`, verified: true },
    name: 'Kim Minji',
    givenName: 'Minji',
    familyName: 'Kim',
    picture: 'https://pictures.test/minji.png',
    locale: 'ko',
    ...said,
  };
}

export function withAddress(address: string, said: Partial<FederatedIdentity> = {}): FederatedIdentity {
  return googleIdentity({ email: { address, verified: true }, ...said });
}

/** The account of somebody who came in. */
export function enteredAccount(outcome: FederatedOutcome) {
  if (outcome.kind !== 'created' && outcome.kind !== 'known') throw new Error(`not in: ${JSON.stringify(outcome)}`);
  return outcome.account;
}

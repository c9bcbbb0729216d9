import { beforeEach } from '@jest/globals';
import type { FederatedIdentity, IdentityProof } from '../../src/accounts/federation.ts';
import { withAddress } from './federation-people.ts';
import { createPerson, type TestNodes, useNodes } from './node.ts';

/** The interaction that every link is of, and the browser. */
export const HERE = { interaction: 'interaction-uid', browser: 'browser-of-the-owner' };

/** Somebody with an account here, and an identity elsewhere that has its address. */
interface Owner {
  person: { id: string; userName: string; email: string };
  identity: FederatedIdentity;
}

/** Somebody new for each test. Links are asked for on one node and completed on the other. */
export function useLinks(hand: (world: TestNodes & Owner) => void) {
  let world: TestNodes & Owner;
  useNodes((nodes) => {
    world = nodes as typeof world;
  });
  beforeEach(async () => {
    const person = await createPerson(world.node, { name: 'Minji At Home' });
    world = { ...world, person, identity: withAddress(person.email) };
    hand(world);
  });
  return {
    async ask(accountId = world.person.id, identity = world.identity): Promise<string> {
      return (await world.node.federation.askForProof({ identity, accountId, ...HERE })).link;
    },
    complete(
      link: string,
      input: { interaction?: string; browser?: string; accountId?: string; proof?: IdentityProof } = {},
    ) {
      const completed = { link, ...HERE, accountId: world.person.id, ...input };
      return world.otherNode.federation.completeLink(completed, { requestId: 'r' });
    },
    async identities(): Promise<string[]> {
      return (await world.node.federation.list(world.person.id)).map(({ subject }) => subject);
    },
  };
}

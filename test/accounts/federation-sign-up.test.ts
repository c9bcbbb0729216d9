import { describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity, withAddress } from './federation-people.ts';
import { createPerson, startNode, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
useNodes((nodes) => {
  ({ database, node } = nodes);
});

const signIn = (identity: FederatedIdentity) => node.federation.signIn(identity, {});
const create = async (identity: FederatedIdentity) => enteredAccount(await signIn(identity));
const people = () => database.prisma.user.count();

describe('S-102 the sign-up policy binds entry through others', () => {
  const DOMAINS = ['example.org', 'Firma.EXAMPLE', 'bücher.example', ' spaced.example ', '', 'not a domain'];
  const cases: [string, 'open' | 'closed' | 'domains', string, string][] = [
    ['open', 'open', 'a1@anywhere.test', 'created'],
    ['closed', 'closed', 'a2@anywhere.test', 'sign_up_closed'],
    ['a policy that is none', 'everybody' as 'open', 'a3@anywhere.test', 'sign_up_closed'],
    ['a domain of the list', 'domains', 'a4@example.org', 'created'],
    ['in capital letters', 'domains', 'a5@EXAMPLE.ORG', 'created'],
    ['listed in capital letters', 'domains', 'a6@firma.example', 'created'],
    ['international, listed in letters', 'domains', 'a7@xn--bcher-kva.example', 'created'],
    ['international, said in letters', 'domains', 'a8@BÜCHER.example', 'created'],
    ['listed with spaces around it', 'domains', 'a9@spaced.example', 'created'],
    ['below a domain of the list', 'domains', 'b1@sub.example.org', 'domain_not_allowed'],
    ['ending like one', 'domains', 'b2@evilexample.org', 'domain_not_allowed'],
    ['beginning like one', 'domains', 'b3@example.org.evil.test', 'domain_not_allowed'],
    ['above one', 'domains', 'b4@org', 'domain_not_allowed'],
    ['with a dot at the end', 'domains', 'b5@example.org.', 'email_missing'],
    ['one inside the local part', 'domains', 'b6@example.org@evil.test', 'email_missing'],
    ['a letter that looks like another', 'domains', 'b7@ex\u0430mple.org', 'domain_not_allowed'],
    ['another domain', 'domains', 'b8@gmail.test', 'domain_not_allowed'],
  ];
  test.each(cases)('%s', async (_what, policy, address, expected) => {
    const guarded = startNode(database, { signUp: { policy, domains: DOMAINS } });
    const before = await people();
    const hostedDomain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
    const outcome = await guarded.federation.signIn(withAddress(address, { hostedDomain }), {});
    expect(outcome.kind === 'refused' ? outcome.reason : outcome.kind).toBe(expected);
    expect(await people()).toBe(expected === 'created' ? before + 1 : before);
    await guarded.close();
  });

  test.each([
    ['no organization at all', undefined],
    ['another organization', 'evil.example'],
    ['another organization of the list', 'firma.example'],
    ['an organization below it', 'sub.example.org'],
  ])('S-094 an address of the domain opens nothing when the provider says %s', async (_, hostedDomain) => {
    const guarded = startNode(database, { signUp: { policy: 'domains', domains: ['example.org', 'firma.example'] } });
    const identity = withAddress('former.employee@example.org', { ...(hostedDomain && { hostedDomain }) });
    expect(await guarded.federation.signIn(identity, {})).toEqual({ kind: 'refused', reason: 'domain_not_allowed' });
    await guarded.close();
  });

  test.each([
    'ａｌｉｃｅ@corp.test',
    'ſam@corp.test',
    '\u212Aim@corp.test',
    '①@corp.test',
    'sam@corp\u2024test',
    'sam@ⓒorp.test',
  ])('S-094 %s is not taken for the mailbox of another spelling', async (address) => {
    expect(await signIn(withAddress(address))).toEqual({ kind: 'refused', reason: 'email_missing' });
  });

  test('the hosted domain that a provider claims opens nothing for another address', async () => {
    const guarded = startNode(database, { signUp: { policy: 'domains', domains: ['example.org'] } });
    const identity = googleIdentity({ hostedDomain: 'example.org' });
    expect(await guarded.federation.signIn(identity, {})).toEqual({ kind: 'refused', reason: 'domain_not_allowed' });
    await guarded.close();
  });

  test.each(['closed', 'domains'] as const)('%s: who has an account comes in, and may prove it', async (policy) => {
    const known = googleIdentity();
    const { id } = await create(known);
    const { id: provable, email } = await createPerson(node);
    const guarded = startNode(database, { signUp: { policy, domains: [] } });
    expect(await guarded.federation.signIn(known, {})).toMatchObject({ kind: 'known', account: { id } });
    const outcome = await guarded.federation.signIn(withAddress(email), {});
    expect(outcome).toEqual({ kind: 'link_required', accountId: provable });
    await guarded.close();
  });

  const organizations: [string, string, string, string][] = [
    ['the same', 'c1@example.org', 'example.org', 'created'],
    ['the same, in capital letters there', 'c2@example.org', 'EXAMPLE.ORG', 'created'],
    ['the same, in capital letters in the address', 'c3@EXAMPLE.org', 'example.org', 'created'],
    ['the same, listed in capital letters', 'c4@firma.example', 'Firma.Example', 'created'],
    ['the same, in two spellings', 'c5@xn--bcher-kva.example', 'BÜCHER.example', 'created'],
    ['the other one of the list', 'c6@example.org', 'firma.example', 'domain_not_allowed'],
    ['the other one of the list, the other way round', 'c7@firma.example', 'example.org', 'domain_not_allowed'],
    ['the same, that is not on the list', 'c8@gmail.test', 'gmail.test', 'domain_not_allowed'],
    ['none, as a text', 'c9@example.org', '', 'domain_not_allowed'],
    ['both at once', 'd1@example.org', 'example.org,firma.example', 'domain_not_allowed'],
  ];
  test.each(organizations)('S-094 the organization has to be the one of the address: %s', async (...row) => {
    const [, address, hostedDomain, expected] = row;
    const guarded = startNode(database, { signUp: { policy: 'domains', domains: DOMAINS } });
    const before = await people();
    const outcome = await guarded.federation.signIn(withAddress(address, { hostedDomain }), {});
    expect(outcome.kind === 'refused' ? outcome.reason : outcome.kind).toBe(expected);
    expect(await people()).toBe(expected === 'created' ? before + 1 : before);
    await guarded.close();
  });
});

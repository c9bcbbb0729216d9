import { expect, test } from '@jest/globals';
import { begin, type FederatedService, leaveFor, redeem } from '../support/flow-federation.ts';
import { useFederatedService, WANTS_IDP } from '../support/flow-federation-people.ts';
import { outbound } from '../upstreams/attempts.ts';
import { playPostOffice } from '../upstreams/fake-post-office.ts';
import { postOffice } from '../upstreams/post-office.ts';

let service: FederatedService;
useFederatedService(
  (started) => {
    service = started;
  },
  {
    play: { post_office: playPostOffice },
    async rebuild({ upstreams }, { origin, others }) {
      const { clientId, clientSecret } = others.post_office!;
      const said = { clientId, clientSecret, settings: {} };
      const third = await postOffice.create(said, { keepsTokens: false, fetch: outbound, standInAt: origin });
      return { upstreams: [...upstreams, third] };
    },
  },
);

test('people sign in by the button of a third provider, and come back as who they were', async () => {
  const fake = service.upstream.others.post_office!;
  const person = { subject: '4711', name: 'Nelly', email: 'nelly@mail.example', verified: true };
  fake.people.push(person);
  const subjects = [];
  for (let time = 0; time < 2; time++) {
    const begun = await begin(service, WANTS_IDP);
    expect(begun.visit.text).toContain('Continue with Post Office');
    const there = await leaveFor('post_office', begun);
    const back = await fake.decide(there.href, { as: person.subject });
    expect(back.pathname).toBe('/callback/post_office');
    const claims = (await redeem(service, begun, await begun.browser.open(back.href))).claims()!;
    expect(claims).toMatchObject({ amr: ['fed'], idp: 'post_office' });
    subjects.push(claims.sub);
  }
  expect(new Set(subjects).size).toBe(1);
  const cancelled = await begin(service);
  const back = await fake.decide((await leaveFor('post_office', cancelled)).href, { deny: true });
  const page = await cancelled.browser.open(back.href);
  expect([page.response?.status, page.text.includes('You cancelled at Post Office')]).toEqual([200, true]);
});

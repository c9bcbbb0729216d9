import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { BreakerOptions } from '../../src/upstreams/circuit-breaker.ts';
import type { Upstream } from '../../src/upstreams/upstream.ts';
import {
  type FakeEndpoint,
  type FakePerson,
  type FakeProvider,
  type FakeUpstream,
  type Play,
  startFakeUpstream,
} from '../support/fake-upstream.ts';
import { registerAttempts } from './attempts.ts';
import { describeJourneys } from './contract-journeys.ts';
import { describeOutages } from './contract-outages.ts';
import { describePeople } from './contract-people.ts';
import { describeResponses } from './contract-responses.ts';

interface Choices {
  keepsTokens: boolean;
  clientId?: string;
  clientSecret?: string;
  breaker?: BreakerOptions;
}

export interface UpstreamUnderTest {
  provider: string;
  displayName: string;
  scopes: string[];
  issuer: string;
  /** Another provider's. */
  foreignIssuer: string;
  person: FakePerson;
  /** Everything that a sign-in asks for. */
  endpoints: FakeEndpoint[];
  create(fake: FakeUpstream, options: Choices): Promise<Upstream>;
  /** Who plays it, when it is neither Google nor Discord. */
  play?: Play;
  fakeOf(fake: FakeUpstream): FakeProvider;
  /** Makes it ask for the profile too, where it does not always. */
  needProfile?(fake: FakeUpstream): void;
}

/** What the groups of the suite stand on; the upstream and the state of its fake are new for every test. */
export interface Ground {
  under: UpstreamUnderTest;
  readonly upstreams: FakeUpstream;
  readonly fake: FakeProvider;
  readonly upstream: Upstream;
  /** Another one of the same provider. */
  create(options?: Partial<Choices>): Promise<Upstream>;
}

/** What every upstream does, whoever is behind it. */
export function describeUpstream(under: UpstreamUnderTest): void {
  let upstreams: FakeUpstream;
  let upstream: Upstream;
  const ground: Ground = {
    under,
    get upstreams() {
      return upstreams;
    },
    get fake() {
      return under.fakeOf(upstreams);
    },
    get upstream() {
      return upstream;
    },
    create: (options = {}) => under.create(upstreams, { keepsTokens: false, ...options }),
  };

  beforeAll(async () => {
    upstreams = await startFakeUpstream(under.play && { play: { [under.provider]: under.play } });
    registerAttempts(upstreams);
  });
  afterAll(() => upstreams.close());

  beforeEach(async () => {
    ground.fake.reset();
    Object.assign(ground.fake, { people: [under.person], issuer: under.issuer });
    upstream = await ground.create();
  });

  test('it has a name for addresses and one for people', () => {
    expect([upstream.provider, upstream.displayName]).toEqual([under.provider, under.displayName]);
  });

  describeJourneys(ground);
  describeResponses(ground);
  describePeople(ground);
  describeOutages(ground);
}

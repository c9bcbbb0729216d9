import { outbound } from './attempts.ts';
import { describeUpstream } from './contract.ts';
import { playPostOffice } from './fake-post-office.ts';
import { createPostOffice, type PostOfficeEndpoints } from './post-office.ts';

// What Google and Discord do, a provider does that came later: the model of one runs through the same suite.
describeUpstream({
  provider: 'post_office',
  displayName: 'Post Office',
  scopes: ['person', 'email'],
  issuer: 'https://post.example',
  foreignIssuer: 'https://discord.com',
  person: {
    subject: '4711',
    name: 'Nelly',
    email: 'nelly@mail.example',
    verified: true,
    locale: 'en-US',
  },
  endpoints: ['token', 'profile'],
  play: playPostOffice,
  fakeOf: ({ others }) => others.post_office!,
  create: ({ others }, options) => {
    const { clientId, clientSecret, endpoints } = others.post_office!;
    return createPostOffice({
      ...{ clientId, clientSecret, endpoints: endpoints as PostOfficeEndpoints },
      fetch: outbound,
      ...options,
    });
  },
});

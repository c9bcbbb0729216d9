import { type Caller, createVerifier } from '@daemun/verify';

const { CLIENT_ID = '', CLIENT_SECRET = '' } = process.env;
const verifier = createVerifier({
  issuer: 'https://id.example.com',
  audience: 'https://api.example.com',
  apiKeys: { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET },
});

/** `credential`: a token, a key, or a token that somebody got for a key. `address`: where the request came from. */
export function whoCalls(credential: string, address: string): Promise<Caller> {
  return verifier.verify(credential, { scopes: ['read'], address });
}

import { createVerifier, type VerifyError } from '@daemun/verify';

const verifier = createVerifier({
  issuer: 'https://id.example.com',
  audience: 'https://api.example.com',
});

export async function whoSent(token: string): Promise<string> {
  try {
    const caller = await verifier.verify(token, { scopes: ['read'] });
    return `${caller.subject} by way of ${caller.clientId ?? 'an API key'}`;
  } catch (error) {
    const { cause } = error as VerifyError; // expired | signature | malformed | audience | issuer | inactive | scope
    return `nobody we trust: ${cause}`;
  }
}

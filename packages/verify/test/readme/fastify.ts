import { createVerifier } from '@daemun/verify';
import { protectedResource } from '@daemun/verify/fastify';
import fastify from 'fastify';

const verifier = createVerifier({ issuer: 'https://id.example.com', audience: 'https://api.example.com' });
const resource = protectedResource(verifier);

const app = fastify();
await app.register(resource.plugin);
app.get('/me', { onRequest: resource.authenticate }, async (request) => ({ subject: request.caller?.subject }));
await app.listen({ port: 4001 });

import { createVerifier } from '@daemun/verify';
import { type CallerState, protectedResource } from '@daemun/verify/koa';
import Router from '@koa/router';
import Koa from 'koa';

const verifier = createVerifier({ issuer: 'https://id.example.com', audience: 'https://api.example.com' });
const resource = protectedResource(verifier, { metadata: { scopes_supported: ['read', 'write'] } });

const router = new Router<CallerState>();
router.get('/me', resource.authenticate, (ctx) => {
  ctx.body = { subject: ctx.state.caller.subject };
});
router.post('/things', resource.requireScope('write'), (ctx) => {
  ctx.status = 201;
});

new Koa().use(resource.metadata).use(router.routes()).listen(4001);

import { createVerifier, type ProtectedResourceOptions, type VerifierOptions } from '@daemun/verify';
import { type CallerState, type KoaProtectedResource, protectedResource } from '@daemun/verify/koa';
import Router from '@koa/router';
import Koa from 'koa';
import { cors } from './cors.ts';
import { EventStreams, type StreamSettings } from './event-streams.ts';
import { refuseOtherMethods } from './methods.ts';
import { answerProblems } from './problem.ts';
import { addPublicRoutes } from './public-routes.ts';
import { SessionStore, type StoreLimits } from './session-store.ts';
import { addUserRoutes } from './user-routes.ts';

export interface ApiOptions extends Pick<VerifierOptions, 'issuer' | 'audience' | 'apiKeys' | 'fetch'> {
  readonly limits?: Partial<StoreLimits & StreamSettings>;
  /** Told why requests are answered 503: the provider cannot be reached, or refuses our client. */
  readonly onUnavailable?: ProtectedResourceOptions['onUnavailable'];
}

const LIMITS: StoreLimits & StreamSettings = {
  sessionsPerUser: 500,
  publicSessions: 1_000,
  streams: 5_000,
  heartbeatSeconds: 15,
};

/** The whole API. It keeps its sessions in memory: every call makes a new, empty one. */
export function createApi({ limits, onUnavailable, ...options }: ApiOptions): Koa {
  const resource = protectedResource(createVerifier(options), {
    metadata: { resource_name: 'Daemun example API' },
    ...(onUnavailable && { onUnavailable }),
  });
  const router = createRouter(resource, { ...LIMITS, ...limits });
  const app = new Koa();
  app.use(answerProblems);
  app.use(cors);
  app.use(resource.metadata);
  app.use(router.routes());
  app.use(refuseOtherMethods);
  return app;
}

export function createRouter(resource: KoaProtectedResource, limits = LIMITS): Router<CallerState> {
  const router = new Router<CallerState>({ sensitive: true, strict: true });
  const store = new SessionStore(limits);
  const streams = new EventStreams(limits);
  addPublicRoutes(router, store.public, streams);
  addUserRoutes(router, resource, store, streams);
  return router;
}

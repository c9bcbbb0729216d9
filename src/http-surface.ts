import { setTimeout as pause } from 'node:timers/promises';
import type Router from '@koa/router';
import Koa from 'koa';
import type { Observations } from './audit/observations.ts';
import type { Config } from './config/config.ts';
import { createErrorScreens, preparedWords } from './interactions/error.ts';
import { namePageRoute } from './interactions/interactions.routes.ts';
import type { Screens } from './interactions/screens.ts';
import { isManagementPath } from './management/management.routes.ts';
import type { Availability } from './platform/database/availability.ts';
import { refuseWhileAway } from './platform/http/away.ts';
import { requestContext } from './platform/http/context.ts';
import { errors } from './platform/http/errors.ts';
import { createReadiness, health, nameHealthRoute } from './platform/http/health.ts';
import { hostCheck } from './platform/http/host-check.ts';
import { METRICS_PORT, metricsListener } from './platform/http/metrics-server.ts';
import { shedOverload } from './platform/http/overload.ts';
import { plainPaths } from './platform/http/paths.ts';
import { noteRefusals } from './platform/http/refusals.ts';
import { measureRequests } from './platform/http/request-metrics.ts';
import { securityHeaders } from './platform/http/security-headers.ts';
import { createHttpServer } from './platform/http/server.ts';
import { noteUntrustedProxies } from './platform/http/untrusted-proxies.ts';
import { traceRequests } from './platform/tracing/trace-requests.ts';
import type { IdentityProvider } from './provider/identity-provider.ts';
import { isForPrograms, isPublished, nameProtocolRoute } from './provider/routes.ts';
import type { Services } from './services.ts';

export interface HttpSurfaceOptions {
  config: Config;
  services: Pick<Services, 'logger' | 'metrics' | 'tracing'>;
  identityProvider: Pick<IdentityProvider, 'answer' | 'middleware'>;
  managementRoutes: Router;
  routes: Router;
  screens: Screens;
  availability: Availability;
  /** What this node cannot do without beside its database, by name. */
  checks: Record<string, () => boolean>;
  observations: Pick<Observations, 'permissionRefused'>;
}

export interface HttpSurface {
  listen(): Promise<void>;
  /** Not ready first, then no more connections; resolves once the last request was answered. `isReplaced`: as `Service.close`. */
  close(how: { isReplaced: boolean }): Promise<void>;
}

/**
 * What a request passes, from the outside in: figures, trace, room; then protocol for programs, or host, paths, protocol for
 * browsers and pages. And the port for figures.
 */
export function createHttpSurface(options: HttpSurfaceOptions): HttpSurface {
  const { config, services, identityProvider, managementRoutes, routes, screens, availability, checks, observations } =
    options;
  const { issuer } = config;
  const { logger, metrics, tracing } = services;
  const state = { listening: false, stopping: false };
  const isReady = createReadiness({
    isStopping: () => state.stopping,
    checks: { database: availability.check, ...checks },
    metrics,
    logger,
  });
  const isProbe = (path: string) => nameHealthRoute(path) !== undefined;
  const nameRoute = (path: string, method: string) =>
    nameHealthRoute(path) ??
    nameProtocolRoute(path) ??
    namePageRoute(isManagementPath(path) ? managementRoutes : routes, path, method);
  const isProgramsPath = (path: string) => isForPrograms(path) || isManagementPath(path);

  const koa = new Koa();
  koa.silent = true;
  koa.use(requestContext(config));
  koa.use(securityHeaders({ issuer }));
  koa.use(health({ isReady }));
  koa.use(errors({ renderError: createErrorScreens(screens).appError, logger, nameRoute }));
  koa.use(hostCheck(issuer, isProgramsPath));
  koa.use(plainPaths());
  koa.use(refuseWhileAway(availability.isAway));
  koa.use(identityProvider.middleware);
  koa.use(managementRoutes.routes());
  koa.use(managementRoutes.allowedMethods());
  koa.use(routes.routes());
  koa.use(routes.allowedMethods());
  const handle = koa.callback();

  const answer = shedOverload(
    {
      requests: config.serving.mostRequests,
      delay: config.serving.mostEventLoopDelay,
      isSpared: (path) => isProbe(path) || isPublished(path),
      isForPrograms,
      hasPages: (path) => !isProgramsPath(path),
      isDatabaseAway: availability.isAway,
      onSlow: () => void availability.check(),
      onEnd: noteRefusals({ ...config, nameRoute, tell: observations.permissionRefused }),
      words: preparedWords(screens.messages),
      metrics,
      logger,
    },
    (req, res) => {
      if (!identityProvider.answer(req, res)) void handle(req, res);
    },
  );
  const traced = traceRequests(tracing, { ...config, nameRoute, isLeftOut: isProbe }, answer);
  const first = noteUntrustedProxies({ ...config, logger }, measureRequests(metrics, nameRoute, traced));
  const server = createHttpServer(first, { most: config.serving.mostConnections, metrics, logger });
  const metricsServer = config.metrics && createHttpServer(metricsListener({ metrics, token: config.metrics.token }));

  return {
    async listen() {
      await server.listen(config.listen);
      state.listening = true;
      const metricsPort = config.metrics?.port;
      if (metricsPort === undefined) return;
      await metricsServer?.listen({ host: config.listen.host, port: metricsPort, portVariable: METRICS_PORT });
    },
    async close({ isReplaced }) {
      state.stopping = !isReplaced;
      server.endKeepAlive();
      if (state.listening && !isReplaced) await pause(1000 * config.serving.shutdownDelay);
      await server.close();
      await metricsServer?.close();
    },
  };
}

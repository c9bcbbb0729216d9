import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ProtectedResourceOptions, Verifier } from '@daemun/verify';
import * as onExpress from '@daemun/verify/express';
import * as onFastify from '@daemun/verify/fastify';
import * as onKoa from '@daemun/verify/koa';
import Router from '@koa/router';
import express from 'express';
import fastify from 'fastify';
import Koa from 'koa';

/** The same three routes in each framework: `/things` for any caller, `/admin` with a scope, `/both` with two guards. */
export type CreateListener = (verifier: Verifier, options?: ProtectedResourceOptions) => Promise<RequestListener>;

const koa: CreateListener = async (verifier, options) => {
  const resource = onKoa.protectedResource(verifier, options);
  const router = new Router<onKoa.CallerState>();
  router.all('/things', resource.authenticate, (ctx) => {
    ctx.body = { subject: ctx.state.caller.subject };
  });
  router.all('/admin', resource.requireScope('admin', 'write'), (ctx) => {
    ctx.body = { subject: ctx.state.caller.subject };
  });
  router.all('/both', resource.authenticate, resource.requireScope('read'), (ctx) => {
    ctx.body = { subject: ctx.state.caller.subject };
  });
  return new Koa().use(resource.metadata).use(router.routes()).callback();
};

const onExpressApp: CreateListener = async (verifier, options) => {
  const resource = onExpress.protectedResource(verifier, options);
  const app = express();
  app.use(resource.metadata);
  app.all('/things', resource.authenticate, (req, res) => {
    res.json({ subject: req.caller?.subject });
  });
  app.all('/admin', resource.requireScope('admin', 'write'), (req, res) => {
    res.json({ subject: req.caller?.subject });
  });
  app.all('/both', resource.authenticate, resource.requireScope('read'), (req, res) => {
    res.json({ subject: req.caller?.subject });
  });
  return app;
};

const onFastifyApp: CreateListener = async (verifier, options) => {
  const resource = onFastify.protectedResource(verifier, options);
  const app = fastify();
  await app.register(resource.plugin);
  app.all('/things', { onRequest: resource.authenticate }, async (request) => ({ subject: request.caller?.subject }));
  app.all('/admin', { preHandler: resource.requireScope('admin', 'write') }, async (request) => ({
    subject: request.caller?.subject,
  }));
  app.all('/both', { onRequest: [resource.authenticate, resource.requireScope('read')] }, async (request) => ({
    subject: request.caller?.subject,
  }));
  await app.ready();
  return (req, res) => app.routing(req, res);
};

export const frameworks: [string, CreateListener][] = [
  ['Koa', koa],
  ['Express', onExpressApp],
  ['Fastify', onFastifyApp],
];

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string[]>;
  readonly body: string;
}

/** Sends header fields exactly as listed, repetitions included, which `fetch` cannot. */
export async function send(
  listener: RequestListener,
  path: string,
  headers: readonly (readonly [string, string])[] = [],
  method = 'GET',
): Promise<Answer> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await new Promise((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const raw = ['Host', `127.0.0.1:${port}`, ...headers.flat()];
      const outgoing = request({ port, host: '127.0.0.1', path, method, headers: raw, agent: false }, (res) => {
        let body = '';
        res.setEncoding('utf8');
        res.on('data', (chunk) => {
          body += chunk;
        });
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headersDistinct as never, body }));
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

import * as z from 'zod';
import { OWN_API_PATH, OWN_API_SCOPES } from '../api-keys/own-api.ts';
import { problemSchema } from './answers.ts';
import { CSRF_HEADER } from './guard.ts';
import type { OperationSpec } from './operation.ts';
import { operations } from './operations.ts';

const PROBLEM = { 'application/problem+json': { schema: problemSchema } };

const USUAL_PROBLEMS = {
  400: 'A parameter, a field or the body is not right, or there are two credentials.',
  401: 'Nobody is known: no credential, or one that does not hold. `WWW-Authenticate` says where to get one.',
  403: 'Known, and not allowed: a scope is missing, the sign-in is too old, or the request came from another site.',
  429: 'Too often. `Retry-After` says how many seconds to wait.',
  503: 'Busy, or the database cannot be reached. `Retry-After` says how many seconds to wait.',
} as const;

const BODY_PROBLEMS = {
  413: 'The body is larger than 64 KiB.',
  415: 'The body is not application/json in UTF-8.',
} as const;

/**
 * The API in the words of OpenAPI 3.1, made of the schemas that requests are held against. `issuer`: where it is; absent, in the
 * documentation, for nowhere in particular.
 */
export async function openApiDocument(issuer?: string): Promise<object> {
  // Late: hardly anybody asks for it, and everybody would wait for it at the start.
  const { createDocument } = await import('zod-openapi');
  const paths: Record<string, Record<string, object>> = {};
  for (const [operationId, spec] of Object.entries(operations)) {
    paths[spec.path] = { ...paths[spec.path], [spec.method.toLowerCase()]: operationOf(operationId, spec) };
  }
  const scopes = Object.fromEntries(OWN_API_SCOPES.map(({ name, description }) => [name, description]));
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Daemun',
      version: 'v1',
      description: 'Our own API: what people, service accounts and administrators manage with programs. docs/api.md',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: `${issuer ?? ''}${OWN_API_PATH}` }],
    tags: [...new Set(Object.values(operations).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key that has rights at this API.' },
        accessToken: {
          type: 'oauth2',
          description: `An access token whose audience is this API: \`resource=<issuer>${OWN_API_PATH}\`.`,
          flows: {
            authorizationCode: {
              authorizationUrl: `${issuer ?? ''}/authorize`,
              tokenUrl: `${issuer ?? ''}/token`,
              scopes,
            },
            clientCredentials: { tokenUrl: `${issuer ?? ''}/token`, scopes },
          },
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-daemun_session',
          description: `The session of a browser on a page of this server. Changes also need the header ${CSRF_HEADER}.`,
        },
      },
    },
  } as Parameters<typeof createDocument>[0]);
}

function operationOf(operationId: string, spec: OperationSpec): object {
  const { tag, summary, description, scopes, query, body = spec.rawBody, answer, path } = spec;
  const isPublic = scopes === 'public';
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const problems: Record<string, string> = { ...USUAL_PROBLEMS, ...(body && BODY_PROBLEMS), ...spec.problems };
  if (isPublic && !spec.problems?.[401]) delete problems[401];
  if (isPublic) delete problems[403];
  const fresh = spec.freshSignIn === undefined ? [] : [`Sessions: signed in within ${spec.freshSignIn} seconds.`];
  return {
    operationId,
    tags: [tag],
    summary,
    ...((description || fresh.length > 0) && { description: [description, ...fresh].filter(Boolean).join(' ') }),
    ...((names.length > 0 || query) && {
      requestParams: {
        ...(names.length > 0 && { path: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) }),
        ...(query && { query }),
      },
    }),
    ...(body && {
      requestBody: { required: !spec.isBodyOptional, content: { 'application/json': { schema: body } } },
    }),
    responses: {
      [answer.status]: {
        description: answer.description,
        ...(answer.headers && { headers: headersOf(answer.headers) }),
        ...(answer.schema && { content: { 'application/json': { schema: answer.schema } } }),
      },
      ...Object.fromEntries(
        Object.entries(problems).map(([status, text]) => [status, { description: text, content: PROBLEM }]),
      ),
    },
    security: isPublic ? [] : securityOf(scopes),
  };
}

/** Any one of these is enough. */
function securityOf(scopes: readonly string[]): object[] {
  const tokens = scopes.length > 0 ? scopes.map((scope) => ({ accessToken: [scope] })) : [{ accessToken: [] }];
  return [{ apiKey: [] }, ...tokens, { session: [] }];
}

function headersOf(headers: Record<string, string>): object {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  );
}

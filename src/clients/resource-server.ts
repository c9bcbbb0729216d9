import * as z from 'zod';
import { displayNameProblem } from './display-name.ts';
import type { Problem } from './problem.ts';
import { resourceIdentifierProblem } from './resource-identifier.ts';
import { IDENTITY_SCOPES, isScopeName } from './scope.ts';

const MAX_SCOPES = 200;

const scope = z.strictObject({
  name: z
    .string()
    .refine(isScopeName, 'must be 1 to 100 characters without spaces, quotes and backslashes')
    .refine((name) => !IDENTITY_SCOPES.includes(name), 'is about people and belongs to this server'),
  /** People read it before they consent. */
  description: z.string().trim().min(1).max(200),
});

const schema = z.strictObject({
  identifier: checkedText(resourceIdentifierProblem),
  name: checkedText(displayNameProblem),
  scopes: z
    .array(scope)
    .max(MAX_SCOPES)
    .refine((scopes) => new Set(scopes.map(({ name }) => name)).size === scopes.length, 'must not repeat a scope')
    .default([]),
  /** `jwt` is checked without asking us (RFC 9068), `opaque` by introspection and gone the moment it is revoked. */
  accessTokenFormat: z.enum(['jwt', 'opaque']).default('jwt'),
  /** Seconds; the server's default when absent. */
  accessTokenLifetime: z
    .int()
    .refine((value) => value >= 60 && value <= 86_400, 'must be between 1m and 24h')
    .optional(),
  /** ES256 when absent. */
  signingAlgorithm: z.enum(['ES256', 'RS256', 'PS256', 'EdDSA']).optional(),
});

/** An API that accepts our access tokens. */
export type ResourceServer = z.output<typeof schema>;
export type NewResourceServer = z.input<typeof schema>;

export function parseResourceServer(
  input: unknown,
): { kind: 'valid'; resourceServer: ResourceServer } | { kind: 'invalid'; problems: Problem[] } {
  const result = schema.safeParse(input);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => ({ field: path.join('.') || 'resource', message }));
    return { kind: 'invalid', problems };
  }
  const { accessTokenFormat, signingAlgorithm } = result.data;
  if (accessTokenFormat === 'opaque' && signingAlgorithm) {
    const message = 'is for the format jwt; opaque tokens are not signed';
    return { kind: 'invalid', problems: [{ field: 'signingAlgorithm', message }] };
  }
  return { kind: 'valid', resourceServer: result.data };
}

function checkedText(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });
}

/** Who calls it: a browser that is shown pages, or a program that gets JSON. */
export type Caller = 'browser' | 'program';

export interface Route {
  name: string;
  methods: readonly string[];
  caller: Caller;
}

/** Exact paths, as text: the engine itself would also take other letter cases and a trailing slash. S-171 */
const PATHS: Record<string, Route> = {
  '/authorize': { name: 'authorization', methods: ['GET', 'POST'], caller: 'browser' },
  '/logout': { name: 'end_session', methods: ['GET', 'POST'], caller: 'browser' },
  '/logout/confirm': { name: 'end_session_confirm', methods: ['POST'], caller: 'browser' },
  '/logout/success': { name: 'end_session_success', methods: ['GET', 'HEAD'], caller: 'browser' },
  '/token': { name: 'token', methods: ['POST', 'OPTIONS'], caller: 'program' },
  '/userinfo': { name: 'userinfo', methods: ['GET', 'POST', 'OPTIONS'], caller: 'program' },
  '/introspect': { name: 'introspection', methods: ['POST', 'OPTIONS'], caller: 'program' },
  '/revoke': { name: 'revocation', methods: ['POST', 'OPTIONS'], caller: 'program' },
  '/par': { name: 'pushed_authorization_request', methods: ['POST', 'OPTIONS'], caller: 'program' },
};

const RESUME: Route = { name: 'resume', methods: ['GET'], caller: 'browser' };
const RESUME_PATH = /^\/authorize\/([\w-]{43})$/;

export function findRoute(path: string): Route | undefined {
  return Object.hasOwn(PATHS, path) ? PATHS[path] : RESUME_PATH.test(path) ? RESUME : undefined;
}

/** The interaction that a resume path continues. */
export function resumedInteraction(path: string): string | undefined {
  return RESUME_PATH.exec(path)?.[1];
}

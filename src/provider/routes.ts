export interface Route {
  name: string;
  methods: readonly string[];
}

/*
 * Exact paths, as text: the engine itself would also take other letter cases and a trailing slash. S-171
 */

/** Browsers are shown pages. */
const FOR_BROWSERS: Record<string, Route> = {
  '/authorize': { name: 'authorization', methods: ['GET', 'POST'] },
  '/logout': { name: 'end_session', methods: ['GET', 'POST'] },
  '/logout/confirm': { name: 'end_session_confirm', methods: ['POST'] },
  '/logout/success': { name: 'end_session_success', methods: ['GET', 'HEAD'] },
};

const RESUME: Route = { name: 'resume', methods: ['GET'] };
const RESUME_PATH = /^\/authorize\/([\w-]{43})$/;

/** Programs get JSON. */
const FOR_PROGRAMS = new Map<string, Route>([
  ['/token', { name: 'token', methods: ['POST', 'OPTIONS'] }],
  ['/userinfo', { name: 'userinfo', methods: ['GET', 'POST', 'OPTIONS'] }],
  ['/introspect', { name: 'introspection', methods: ['POST', 'OPTIONS'] }],
  ['/revoke', { name: 'revocation', methods: ['POST', 'OPTIONS'] }],
  ['/par', { name: 'pushed_authorization_request', methods: ['POST', 'OPTIONS'] }],
]);

/** Documents that are the same for everybody. */
export const METADATA_PATHS: readonly string[] = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];
export const JWKS_PATH = '/.well-known/jwks.json';

/** Answered from memory, whatever happens. */
export function isPublished(path: string): boolean {
  return path === JWKS_PATH || METADATA_PATHS.includes(path);
}

export function findBrowserRoute(path: string): Route | undefined {
  return Object.hasOwn(FOR_BROWSERS, path) ? FOR_BROWSERS[path] : RESUME_PATH.test(path) ? RESUME : undefined;
}

/** What a path is called in figures. */
export function nameProtocolRoute(path: string): string | undefined {
  if (path === JWKS_PATH) return 'jwks';
  if (METADATA_PATHS.includes(path)) return 'discovery';
  return FOR_PROGRAMS.get(path)?.name ?? findBrowserRoute(path)?.name;
}

/** By the target of a request, its query included. */
export function findProgramRoute(target: string): Route | undefined {
  const query = target.indexOf('?');
  return FOR_PROGRAMS.get(query < 0 ? target : target.slice(0, query));
}

/** Whether whoever asks here is shown no pages. */
export function isForPrograms(path: string): boolean {
  return FOR_PROGRAMS.has(path);
}

/** The interaction that a resume path continues. */
export function resumedInteraction(path: string): string | undefined {
  return RESUME_PATH.exec(path)?.[1];
}

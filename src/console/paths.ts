export const API_KEYS_PATH = '/account/api-keys';
export const NEW_API_KEY_PATH = `${API_KEYS_PATH}/new`;
/** Shows the value of a key that was just made, once. */
export const API_KEY_VALUE_PATH = `${API_KEYS_PATH}/value`;
/** Where a sign-in comes back to. */
export const SIGNED_IN_PATH = '/account/signed-in';
export const CONFIRM_PATH = '/account/confirm';

const RETURN = /^\/account\/api-keys(?:\/new|\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\/(?:rotate|revoke))?)?$/;

export function apiKeyPath(id: string, step?: 'rotate' | 'revoke'): string {
  return step ? `${API_KEYS_PATH}/${id}/${step}` : `${API_KEYS_PATH}/${id}`;
}

/** One of our own pages that a sign-in may come back to, or the list of keys: nobody is sent anywhere else from here. */
export function returnPath(wanted: unknown): string {
  return typeof wanted === 'string' && RETURN.test(wanted) ? wanted : API_KEYS_PATH;
}

import { AppError, isAppError, SIGN_IN_AGAIN } from './app-error.ts';

/** Told apart by `code` and `error`, which openid-client documents, and never by `instanceof`. */
interface ProtocolError {
  readonly code?: string;
  readonly error?: string;
  readonly error_description?: string | null;
}

/** Says in words what went wrong between us and the provider. What is explained already stays as it is. */
export function explainProviderError(error: unknown): AppError {
  if (isAppError(error)) return error;
  const { code, error: reason } = (error ?? {}) as ProtocolError;
  if (code === 'OAUTH_AUTHORIZATION_RESPONSE_ERROR') return explainRefusal(error as ProtocolError);
  if (reason === 'invalid_grant') {
    return new AppError(401, 'This sign-in is over', 'The provider no longer honours it. Please sign in again.', {
      next: SIGN_IN_AGAIN,
      cause: error,
    });
  }
  if (reason === 'invalid_client' || code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE') {
    const message = 'Check CLIENT_ID and CLIENT_SECRET of this application against its registration at the provider.';
    return new AppError(502, 'The provider does not know this application', message, { cause: error });
  }
  if (code?.startsWith('OAUTH_') && code !== 'OAUTH_TIMEOUT') {
    const message = 'What came back from the provider does not belong to the sign-in that was started here.';
    return new AppError(400, 'The sign-in could not be completed', message, { next: SIGN_IN_AGAIN, cause: error });
  }
  const message = 'It does not answer at the moment. Nothing is lost: try again in a little while.';
  return new AppError(502, 'The provider cannot be reached', message, { cause: error });
}

/** The provider sent the browser back with an error instead of a code (RFC 6749 section 4.1.2.1). */
function explainRefusal(refusal: ProtocolError): AppError {
  if (refusal.error === 'access_denied') {
    const message = 'You chose not to go on, so nothing was shared. You can try again whenever you like.';
    return new AppError(403, 'No access was given', message, { next: SIGN_IN_AGAIN, cause: refusal });
  }
  const reason = refusal.error_description ?? refusal.error;
  return new AppError(400, 'The provider refused', `It says: ${reason}`, { next: SIGN_IN_AGAIN, cause: refusal });
}

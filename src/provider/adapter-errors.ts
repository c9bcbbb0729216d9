import { interactionExpired } from '../platform/errors.ts';
import { errors } from './engine.ts';

const LABELS: Record<string, string> = {
  AuthorizationCode: 'authorization code already consumed',
  RefreshToken: 'refresh token already used',
};

/**
 * The protocol's own error for whoever comes second, since the engine does not look at what `consume` returns.
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-5.2
 * @see https://www.rfc-editor.org/rfc/rfc9126#section-4
 */
export function alreadySpent(model: string): Error {
  if (model === 'PushedAuthorizationRequest') {
    return new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
  }
  return new errors.InvalidGrant(LABELS[model] ?? 'already consumed');
}

/** Its grant was revoked, or what would be stored again was spent meanwhile. */
export function cannotStore(model: string): Error {
  if (model === 'Interaction') return interactionExpired();
  if (model === 'ReplayDetection') return new errors.InvalidRequest('a JWT that may be used once was used before');
  return new errors.InvalidGrant('grant is revoked or the token was used meanwhile');
}

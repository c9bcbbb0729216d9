import type { UpstreamFailureReason, UpstreamOutcome } from './upstream.ts';

/** Why an upstream did not say who somebody is. Thrown inside this folder only; outside it is an outcome. */
export class UpstreamFailure extends Error {
  readonly reason: UpstreamFailureReason;
  /** For the log: words of our own and codes, nothing that a stranger wrote. */
  readonly problem: string;
  /** The upstream is not well, and the next person would fare the same. What a wrong code causes is none. */
  readonly isOutage: boolean;

  constructor(
    reason: UpstreamFailureReason,
    problem: string,
    { isOutage = false, cause }: { isOutage?: boolean; cause?: unknown } = {},
  ) {
    super(problem, cause === undefined ? undefined : { cause });
    this.name = 'UpstreamFailure';
    this.reason = reason;
    this.problem = problem;
    this.isOutage = isOutage;
  }
}

export function outage(reason: UpstreamFailureReason, problem: string, cause?: unknown): UpstreamFailure {
  return new UpstreamFailure(reason, problem, { isOutage: true, cause });
}

export function untrusted(problem: string, cause?: unknown): UpstreamFailure {
  return new UpstreamFailure('invalid_response', problem, { cause });
}

/** What is behind an error of the strategies, of the outbound client or of jose. */
export function failureOf(error: unknown): UpstreamFailure {
  const { name, code, claim, oauthError } = (error ?? {}) as Record<string, unknown>;
  if (name === 'UpstreamFailure') return error as UpstreamFailure;
  // The strategies wrap what went wrong when the code was exchanged.
  if (oauthError) return failureOf(oauthError);
  if (name === 'OutboundError') {
    if (code === 'too_slow') return outage('timeout', 'too slow', error);
    const isUnreachable = code === 'unreachable' || code === 'not_allowed';
    return outage(isUnreachable ? 'unavailable' : 'invalid_response', `answer: ${code}`, error);
  }
  if (claim === 'iss') return new UpstreamFailure('wrong_issuer', 'ID token: iss', { cause: error });
  if (typeof code === 'string' && /^ERR_J\w+$/.test(code)) {
    return untrusted(`ID token: ${code}${typeof claim === 'string' ? ` ${claim}` : ''}`, error);
  }
  return untrusted(`unexpected ${String(name)}`, error);
}

export function failed({ reason, problem }: UpstreamFailure): UpstreamOutcome {
  return { kind: 'failed', reason, problem };
}

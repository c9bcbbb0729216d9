import type { AuditContext } from '../audit/audit.ts';

/** Who asks, as `ctx.state` of every request has it. */
export function auditContextOf(state: Record<string, unknown>): AuditContext {
  const { address, requestId } = state as AuditContext;
  return { ...(address !== undefined && { address }), ...(requestId !== undefined && { requestId }) };
}

import type { AuditContext } from '../audit/audit.ts';

/** Who asks, as `ctx.state` of every request has it. */
export function auditContextOf(state: Record<string, unknown>): AuditContext {
  const { address, requestId } = state as { address: string; requestId: string };
  return { address, requestId };
}

import type { AuditContext } from '../audit/audit.ts';

/** Who did it, in the audit log. */
export const BY_COMMAND_LINE: AuditContext = { actor: 'cli' };

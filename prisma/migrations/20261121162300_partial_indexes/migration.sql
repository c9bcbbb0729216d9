-- Nobody looks for what has no grant, account, client or session uid, and most rows have none: each was an entry in every one of these
-- indexes. The condition follows from any comparison with the column, so that every question goes by the same index as before.
-- The new ones are there before the old ones go: readers wait for a moment only, at the end.
CREATE INDEX "protocol_artifacts_with_grant" ON "protocol_artifacts" ("grant_id") WHERE "grant_id" IS NOT NULL;
CREATE INDEX "protocol_artifacts_with_account" ON "protocol_artifacts" ("account_id") WHERE "account_id" IS NOT NULL;
CREATE INDEX "protocol_artifacts_with_client" ON "protocol_artifacts" ("client_id") WHERE "client_id" IS NOT NULL;
CREATE INDEX "protocol_artifacts_with_uid" ON "protocol_artifacts" ("uid") WHERE "uid" IS NOT NULL;

DROP INDEX "protocol_artifacts_grant_id_idx", "protocol_artifacts_account_id_idx", "protocol_artifacts_client_id_idx",
  "protocol_artifacts_uid_idx";

ALTER INDEX "protocol_artifacts_with_grant" RENAME TO "protocol_artifacts_grant_id_idx";
ALTER INDEX "protocol_artifacts_with_account" RENAME TO "protocol_artifacts_account_id_idx";
ALTER INDEX "protocol_artifacts_with_client" RENAME TO "protocol_artifacts_client_id_idx";
ALTER INDEX "protocol_artifacts_with_uid" RENAME TO "protocol_artifacts_uid_idx";

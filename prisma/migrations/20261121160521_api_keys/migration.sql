-- CreateEnum
CREATE TYPE "service_account_state" AS ENUM ('active', 'disabled', 'deleted');

-- CreateEnum
CREATE TYPE "api_key_owner_kind" AS ENUM ('user', 'service_account', 'system');

-- AlterTable
ALTER TABLE "clients" ADD COLUMN     "service_account_id" UUID;

-- CreateTable
CREATE TABLE "service_accounts" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "access" JSONB NOT NULL DEFAULT '{}',
    "state" "service_account_state" NOT NULL DEFAULT 'active',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "disabled_at" TIMESTAMPTZ(3),
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "service_accounts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL,
    "owner_kind" "api_key_owner_kind" NOT NULL,
    "user_id" UUID,
    "service_account_id" UUID,
    "digest" BYTEA NOT NULL,
    "prefix" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "access" JSONB NOT NULL,
    "allowed_addresses" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "replaces" UUID,
    "rotated_to" UUID,
    "revoked_at" TIMESTAMPTZ(3),
    "revoked_by" TEXT,
    "revocation_reason" TEXT,

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_digest_key" ON "api_keys"("digest");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_replaces_key" ON "api_keys"("replaces");

-- CreateIndex
CREATE INDEX "api_keys_user_id_id_idx" ON "api_keys"("user_id", "id");

-- CreateIndex
CREATE INDEX "api_keys_service_account_id_id_idx" ON "api_keys"("service_account_id", "id");

-- CreateIndex
CREATE INDEX "api_keys_expires_at_idx" ON "api_keys"("expires_at");

-- CreateIndex
CREATE INDEX "api_keys_revoked_at_idx" ON "api_keys"("revoked_at");

-- CreateIndex
CREATE INDEX "clients_service_account_id_idx" ON "clients"("service_account_id");

-- AddForeignKey
ALTER TABLE "clients" ADD CONSTRAINT "clients_service_account_id_fkey" FOREIGN KEY ("service_account_id") REFERENCES "service_accounts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_service_account_id_fkey" FOREIGN KEY ("service_account_id") REFERENCES "service_accounts"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- A subject is a person's or a service account's, never both: they differ in the version of their UUID.
ALTER TABLE "users" ADD CONSTRAINT "users_id_is_no_service_account" CHECK (substr("id"::text, 15, 1) <> '8');
ALTER TABLE "service_accounts" ADD CONSTRAINT "service_accounts_id_is_no_person" CHECK (substr("id"::text, 15, 1) = '8');

ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_one_owner" CHECK (CASE "owner_kind"
  WHEN 'user' THEN "user_id" IS NOT NULL AND "service_account_id" IS NULL
  WHEN 'service_account' THEN "user_id" IS NULL AND "service_account_id" IS NOT NULL
  ELSE "user_id" IS NULL AND "service_account_id" IS NULL END);

-- Row-level security. Whoever works with these tables says in the transaction who that is (`daemun.role`, `daemun.subject`); whoever
-- says nothing sees nothing. FORCE: the owner of the tables as well. A SELECT or DELETE has no new row, so nothing for WITH CHECK.
ALTER TABLE "api_keys" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "api_keys" FORCE ROW LEVEL SECURITY;
ALTER TABLE "service_accounts" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "service_accounts" FORCE ROW LEVEL SECURITY;

-- Of oneself. Nobody removes a row of theirs: that is done by setting `revoked_at`.
CREATE POLICY "owner_reads" ON "api_keys" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'owner'
    AND NULLIF(current_setting('daemun.subject', true), '')::uuid = COALESCE("user_id", "service_account_id"));
CREATE POLICY "owner_makes" ON "api_keys" FOR INSERT
  WITH CHECK (NULLIF(current_setting('daemun.role', true), '') = 'owner'
    AND NULLIF(current_setting('daemun.subject', true), '')::uuid = COALESCE("user_id", "service_account_id"));
CREATE POLICY "owner_changes" ON "api_keys" FOR UPDATE
  USING (NULLIF(current_setting('daemun.role', true), '') = 'owner'
    AND NULLIF(current_setting('daemun.subject', true), '')::uuid = COALESCE("user_id", "service_account_id"))
  WITH CHECK (NULLIF(current_setting('daemun.role', true), '') = 'owner'
    AND NULLIF(current_setting('daemun.subject', true), '')::uuid = COALESCE("user_id", "service_account_id"));
CREATE POLICY "owner_reads" ON "service_accounts" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'owner'
    AND NULLIF(current_setting('daemun.subject', true), '')::uuid = "id");

-- Of everybody, by an administrator or the command line.
CREATE POLICY "administrator_reads" ON "api_keys" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'administrator');
CREATE POLICY "administrator_makes" ON "api_keys" FOR INSERT
  WITH CHECK (NULLIF(current_setting('daemun.role', true), '') = 'administrator');
CREATE POLICY "administrator_changes" ON "api_keys" FOR UPDATE
  USING (NULLIF(current_setting('daemun.role', true), '') = 'administrator')
  WITH CHECK (NULLIF(current_setting('daemun.role', true), '') = 'administrator');
CREATE POLICY "administrator_reads" ON "service_accounts" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'administrator');
CREATE POLICY "administrator_makes" ON "service_accounts" FOR INSERT
  WITH CHECK (NULLIF(current_setting('daemun.role', true), '') = 'administrator');
CREATE POLICY "administrator_changes" ON "service_accounts" FOR UPDATE
  USING (NULLIF(current_setting('daemun.role', true), '') = 'administrator')
  WITH CHECK (NULLIF(current_setting('daemun.role', true), '') = 'administrator');

-- Whoever looks whether a key holds: reads, and nothing else.
CREATE POLICY "verifier_reads" ON "api_keys" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'verifier');
CREATE POLICY "verifier_reads" ON "service_accounts" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'verifier');

-- The service itself: notes the last use, ends what was found elsewhere, removes what ended long ago. And backups, which read.
CREATE POLICY "caretaker_reads" ON "api_keys" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'caretaker');
CREATE POLICY "caretaker_changes" ON "api_keys" FOR UPDATE
  USING (NULLIF(current_setting('daemun.role', true), '') = 'caretaker')
  WITH CHECK (NULLIF(current_setting('daemun.role', true), '') = 'caretaker');
CREATE POLICY "caretaker_removes" ON "api_keys" FOR DELETE
  USING (NULLIF(current_setting('daemun.role', true), '') = 'caretaker');
CREATE POLICY "caretaker_reads" ON "service_accounts" FOR SELECT
  USING (NULLIF(current_setting('daemun.role', true), '') = 'caretaker');

-- What a check needs of the keys behind these digests, with their owners as they are now, in one statement and without a transaction
-- around it, which a pooler would make expensive. With the rights of whoever calls it; the role is `verifier` until it returns, and
-- an error takes it back with the transaction. (A SET clause would do that too, but only a superuser may write one for a setting of
-- our own.)
CREATE FUNCTION "api_keys_by_digest"("digests" BYTEA[]) RETURNS TABLE (
  "digest" BYTEA, "id" UUID, "owner_kind" TEXT, "owner_id" UUID, "access" JSONB, "allowed_addresses" TEXT[], "created_at" TIMESTAMPTZ,
  "expires_at" TIMESTAMPTZ, "is_expired" BOOLEAN, "is_revoked" BOOLEAN, "owner_state" TEXT, "owner_is_administrator" BOOLEAN,
  "owner_access" JSONB
) LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
#variable_conflict use_column
DECLARE
  role_before TEXT := COALESCE(current_setting('daemun.role', true), '');
BEGIN
  PERFORM set_config('daemun.role', 'verifier', true);
  RETURN QUERY
    SELECT k.digest, k.id, k.owner_kind::text, COALESCE(k.user_id, k.service_account_id), k.access, k.allowed_addresses,
      k.created_at::timestamptz, k.expires_at::timestamptz, COALESCE(k.expires_at <= now(), false), k.revoked_at IS NOT NULL,
      COALESCE(u.state::text, s.state::text, 'active'), COALESCE(u.is_administrator, false), s.access
    FROM api_keys k LEFT JOIN users u ON u.id = k.user_id LEFT JOIN service_accounts s ON s.id = k.service_account_id
    WHERE k.digest = ANY (digests);
  PERFORM set_config('daemun.role', role_before, true);
END
$$;

-- The same for service accounts, when a client speaks for one.
CREATE FUNCTION "service_accounts_by_id"("ids" UUID[]) RETURNS TABLE ("id" UUID, "name" TEXT, "state" TEXT, "access" JSONB)
LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
#variable_conflict use_column
DECLARE
  role_before TEXT := COALESCE(current_setting('daemun.role', true), '');
BEGIN
  PERFORM set_config('daemun.role', 'verifier', true);
  RETURN QUERY SELECT s.id, s.name, s.state::text, s.access FROM service_accounts s WHERE s.id = ANY (ids);
  PERFORM set_config('daemun.role', role_before, true);
END
$$;

-- AlterTable
ALTER TABLE "server_secrets" ADD COLUMN     "current_since" TIMESTAMPTZ(3),
ADD COLUMN     "next_for" TEXT,
ADD COLUMN     "retired_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "signing_keys" ADD COLUMN     "activated_early" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "archived_at" TIMESTAMPTZ(3),
ADD COLUMN     "destroyed_at" TIMESTAMPTZ(3),
ADD COLUMN     "held" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "published_for" TEXT,
ADD COLUMN     "retired_at" TIMESTAMPTZ(3),
ADD COLUMN     "revocation_reason" TEXT,
ADD COLUMN     "revoked_at" TIMESTAMPTZ(3),
ADD COLUMN     "token_lifetime" INTEGER NOT NULL DEFAULT 86400;

-- CreateTable
CREATE TABLE "key_set_version" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "version" INTEGER NOT NULL DEFAULT 0,
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "key_set_version_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "key_set_nodes" (
    "id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "kek_ids" TEXT[],
    "seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "key_set_nodes_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "server_secrets_next_for_key" ON "server_secrets"("next_for");

-- CreateIndex
CREATE UNIQUE INDEX "signing_keys_published_for_key" ON "signing_keys"("published_for");

-- By hand from here on.

INSERT INTO "key_set_version" ("id", "version") VALUES (1, 1);
ALTER TABLE "key_set_version" ADD CONSTRAINT "key_set_version_one_row" CHECK ("id" = 1);
UPDATE "server_secrets" SET "current_since" = "created_at" WHERE "current_for" IS NOT NULL;

-- With the unique indexes above: one active and one published key an algorithm.
ALTER TABLE "signing_keys"
  ADD CONSTRAINT "signing_keys_active_for_state" CHECK (("state" = 'active') = ("active_for" IS NOT NULL) AND coalesce("active_for" = "algorithm", true)),
  ADD CONSTRAINT "signing_keys_published_for_state" CHECK (("state" = 'published') = ("published_for" IS NOT NULL) AND coalesce("published_for" = "algorithm", true)),
  ADD CONSTRAINT "signing_keys_erased" CHECK ("private_key" IS NULL OR "state" IN ('staged', 'published', 'active', 'retiring'));

-- A state only moves forward, a kid is never used again, and neither depends on who writes.
CREATE FUNCTION "keep_signing_keys"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  life CONSTANT text[] := ARRAY['staged', 'published', 'active', 'retiring', 'archived', 'destroyed'];
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'signing keys are destroyed, not deleted';
  END IF;
  IF NEW.kid <> OLD.kid OR NEW.algorithm <> OLD.algorithm OR NEW.public_jwk <> OLD.public_jwk THEN
    RAISE EXCEPTION 'a signing key is not exchanged';
  END IF;
  IF NEW.state <> OLD.state AND (OLD.state IN ('revoked', 'destroyed')
      OR (NEW.state <> 'revoked' AND array_position(life, NEW.state::text) < array_position(life, OLD.state::text))) THEN
    RAISE EXCEPTION 'signing key % does not go from % to %', OLD.kid, OLD.state, NEW.state;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER "signing_keys_forward" BEFORE UPDATE OR DELETE ON "signing_keys"
  FOR EACH ROW EXECUTE FUNCTION "keep_signing_keys"();

-- AlterTable
ALTER TABLE "user_sessions" ADD COLUMN     "provider" TEXT;

-- CreateTable
CREATE TABLE "federated_identities" (
    "provider" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "email" TEXT,
    "email_verified" BOOLEAN NOT NULL DEFAULT false,
    "name" TEXT,
    "given_name" TEXT,
    "family_name" TEXT,
    "picture" TEXT,
    "locale" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "federated_identities_pkey" PRIMARY KEY ("provider","subject")
);

-- CreateTable
CREATE TABLE "upstream_tokens" (
    "provider" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "wrapped_data_key" BYTEA NOT NULL,
    "kek_id" TEXT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "upstream_tokens_pkey" PRIMARY KEY ("provider","subject")
);

-- CreateTable
CREATE TABLE "upstream_attempts" (
    "id" BYTEA NOT NULL,
    "provider" TEXT NOT NULL,
    "interaction" BYTEA NOT NULL,
    "sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "consumed_at" TIMESTAMPTZ(3),

    CONSTRAINT "upstream_attempts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "pending_links" (
    "id" BYTEA NOT NULL,
    "interaction" BYTEA NOT NULL,
    "user_id" UUID NOT NULL,
    "provider" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "identity" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "consumed_at" TIMESTAMPTZ(3),

    CONSTRAINT "pending_links_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upstream_connections" (
    "provider" TEXT NOT NULL,
    "disabled_at" TIMESTAMPTZ(3),

    CONSTRAINT "upstream_connections_pkey" PRIMARY KEY ("provider")
);

-- CreateIndex
CREATE INDEX "federated_identities_user_id_idx" ON "federated_identities"("user_id");

-- CreateIndex
CREATE INDEX "upstream_attempts_expires_at_idx" ON "upstream_attempts"("expires_at");

-- CreateIndex
CREATE INDEX "pending_links_user_id_idx" ON "pending_links"("user_id");

-- CreateIndex
CREATE INDEX "pending_links_expires_at_idx" ON "pending_links"("expires_at");

-- AddForeignKey
ALTER TABLE "federated_identities" ADD CONSTRAINT "federated_identities_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "upstream_tokens" ADD CONSTRAINT "upstream_tokens_provider_subject_fkey" FOREIGN KEY ("provider", "subject") REFERENCES "federated_identities"("provider", "subject") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pending_links" ADD CONSTRAINT "pending_links_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

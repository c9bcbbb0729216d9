-- CreateTable
CREATE TABLE "outbox_effects" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "summary" TEXT NOT NULL,
    "sealed" BYTEA,
    "wrapped_data_key" BYTEA,
    "kek_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "due_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "claims" INTEGER NOT NULL DEFAULT 0,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "tries_allowed" INTEGER NOT NULL,
    "taken_at" TIMESTAMPTZ(3),
    "delivered_at" TIMESTAMPTZ(3),
    "died_at" TIMESTAMPTZ(3),
    "last_error" TEXT,

    CONSTRAINT "outbox_effects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "scheduled_jobs" (
    "name" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lease_until" TIMESTAMPTZ(3),
    "runs" INTEGER NOT NULL DEFAULT 0,
    "started_at" TIMESTAMPTZ(3),
    "succeeded_at" TIMESTAMPTZ(3),

    CONSTRAINT "scheduled_jobs_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE INDEX "outbox_effects_due_at_idx" ON "outbox_effects"("due_at");

-- CreateIndex
CREATE INDEX "outbox_effects_delivered_at_idx" ON "outbox_effects"("delivered_at");

-- CreateIndex
CREATE INDEX "outbox_effects_died_at_idx" ON "outbox_effects"("died_at");

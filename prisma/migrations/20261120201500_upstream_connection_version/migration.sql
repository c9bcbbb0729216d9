-- Grows each time a connection is disabled or enabled. What was begun under another number is void.
ALTER TABLE "upstream_connections" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 0;

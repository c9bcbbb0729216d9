-- Counts how often all access of a person was ended. Sign-ins and grants carry the number they were begun under.
ALTER TABLE "users" ADD COLUMN "access_generation" INTEGER NOT NULL DEFAULT 0;

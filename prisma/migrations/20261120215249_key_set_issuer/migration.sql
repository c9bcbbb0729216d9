-- AlterTable
ALTER TABLE "key_set_version" ADD COLUMN     "issuer" TEXT;

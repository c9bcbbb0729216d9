#!/bin/sh
# Run once by the image of PostgreSQL, on an empty data directory, as its superuser. Makes the two roles: `daemun_owner` owns the
# tables and migrates, `daemun_app` is what the service runs as. DAEMUN_OWNER_PASSWORD and DAEMUN_APP_PASSWORD come from outside.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set=owner_password="$DAEMUN_OWNER_PASSWORD" --set=app_password="$DAEMUN_APP_PASSWORD" <<'SQL'
CREATE ROLE daemun_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE daemun_app LOGIN PASSWORD :'app_password';
-- What the service asks of each session. A pooler in between lets it ask nothing, so the role brings it along.
ALTER ROLE daemun_app SET statement_timeout = '2s';
ALTER ROLE daemun_app SET lock_timeout = '500ms';
ALTER ROLE daemun_app SET idle_in_transaction_session_timeout = '10s';
CREATE DATABASE daemun OWNER daemun_owner;
REVOKE ALL ON DATABASE daemun FROM PUBLIC;
GRANT CONNECT ON DATABASE daemun TO daemun_app;
SQL

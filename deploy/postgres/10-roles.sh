#!/bin/sh
# Run by the image of PostgreSQL, on an empty data directory, as its superuser; elsewhere by hand, as docs/operations.md says. Makes
# the two roles and the database: `daemun_owner` owns the tables and migrates, `daemun_app` is what the service runs as.
# DAEMUN_OWNER_PASSWORD and DAEMUN_APP_PASSWORD come from outside. Run again it makes what is missing, sets the passwords anew and
# touches no data.
set -eu
: "${DAEMUN_OWNER_PASSWORD:?}" "${DAEMUN_APP_PASSWORD:?}"
# Passwords by the environment and not as arguments, which every process of the machine can read.
psql --quiet --set=ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv owner_password DAEMUN_OWNER_PASSWORD
\getenv app_password DAEMUN_APP_PASSWORD
SELECT 'CREATE ROLE daemun_owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daemun_owner') \gexec
SELECT 'CREATE ROLE daemun_app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daemun_app') \gexec
ALTER ROLE daemun_owner LOGIN PASSWORD :'owner_password';
ALTER ROLE daemun_app LOGIN PASSWORD :'app_password';
-- What the service asks of each session. A pooler in between lets it ask nothing, so the role brings it along.
ALTER ROLE daemun_app SET statement_timeout = '2s';
ALTER ROLE daemun_app SET lock_timeout = '500ms';
ALTER ROLE daemun_app SET idle_in_transaction_session_timeout = '10s';
SELECT 'CREATE DATABASE daemun OWNER daemun_owner' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'daemun') \gexec
REVOKE ALL ON DATABASE daemun FROM PUBLIC;
GRANT CONNECT ON DATABASE daemun TO daemun_app;
SQL

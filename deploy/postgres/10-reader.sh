#!/bin/sh
# Runs once, when the database is made: a role for index_service that may only read.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set reader_password="$READER_PASSWORD" <<'SQL'
CREATE ROLE eventindex_reader LOGIN PASSWORD :'reader_password';
ALTER ROLE eventindex_reader SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA public TO eventindex_reader;
-- The migrations run as this role later: the reader may select from every table they make.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO eventindex_reader;
SQL

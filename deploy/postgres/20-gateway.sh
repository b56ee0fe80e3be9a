#!/bin/sh
# Runs once, when the database is made: a role for rest_gateway, which may use its jobs and read the
# digests of tokens. The migration that makes the tables of the jobs grants both.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set gateway_password="$GATEWAY_PASSWORD" <<'SQL'
CREATE ROLE eventindex_gateway LOGIN PASSWORD :'gateway_password';
GRANT USAGE ON SCHEMA public TO eventindex_gateway;
SQL

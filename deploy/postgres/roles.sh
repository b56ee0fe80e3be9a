#!/bin/sh
# Makes the roles of the services, or gives them the passwords of now, and their rights. Runs before
# the migration at each start; to repeat it changes nothing.
#
# The passwords are read by psql from files: none is in an argument list or in the environment.
set -eu
export SECRETS="${1:-/run/secrets}"
umask 077
if [ -e "$SECRETS/postgres_password" ]; then
  PGPASSFILE=$(mktemp)
  export PGPASSFILE
  trap 'rm -f "$PGPASSFILE"' EXIT
  # In this file a backslash and a colon would end the password.
  printf '*:*:*:*:%s\n' "$(sed 's/[\\:]/\\&/g' "$SECRETS/postgres_password")" > "$PGPASSFILE"
fi
psql --set ON_ERROR_STOP=1 --quiet --no-psqlrc <<'SQL'
\set reader `cat "$SECRETS/reader_password"`
\set writer `cat "$SECRETS/writer_password"`
\set gateway `cat "$SECRETS/gateway_password"`
SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['eventindex_reader', 'eventindex_writer', 'eventindex_gateway']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE eventindex_reader PASSWORD :'reader';
ALTER ROLE eventindex_writer PASSWORD :'writer';
ALTER ROLE eventindex_gateway PASSWORD :'gateway';
-- The functions that find tokens: those that are there, and those that a migration makes.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public
  TO eventindex_reader, eventindex_writer, eventindex_gateway;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
  GRANT EXECUTE ON FUNCTIONS TO eventindex_reader, eventindex_writer, eventindex_gateway;
GRANT USAGE ON SCHEMA public TO eventindex_reader, eventindex_writer, eventindex_gateway;

-- The migrations run as this role later: each table that they make has these rights.
-- index_service may only read.
ALTER ROLE eventindex_reader SET default_transaction_read_only = on;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO eventindex_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO eventindex_reader;
-- ingest_service may change what is in the tables, not the tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO eventindex_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO eventindex_writer;
-- rest_gateway may use its jobs. A migration grants that too, to a role that is there.
SELECT format('GRANT %s ON %I TO eventindex_gateway', rights, name)
  FROM (VALUES ('SELECT, INSERT, UPDATE, DELETE', 'http_job'),
               ('SELECT, INSERT, UPDATE, DELETE', 'http_job_chunk'),
               ('SELECT', 'schema_migration')) AS wanted (rights, name)
  WHERE to_regclass(name) IS NOT NULL \gexec
SQL

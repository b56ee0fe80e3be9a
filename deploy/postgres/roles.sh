#!/bin/sh
# Makes the logins of the services, or gives them the passwords of now. Runs before the migration at
# each start; to repeat it changes nothing. What each may do is its role's, to which the migration
# gives the rights: eventindex_ingest, eventindex_index and eventindex_gateway, which cannot log in.
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
SELECT format('CREATE ROLE %I NOLOGIN', name)
  FROM unnest(ARRAY['eventindex_ingest', 'eventindex_index', 'eventindex_gateway']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['ingest_service', 'index_service', 'rest_gateway']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
-- The logins of before.
SELECT format('ALTER ROLE %I NOLOGIN PASSWORD NULL', rolname) FROM pg_roles
  WHERE rolname IN ('eventindex_reader', 'eventindex_writer', 'eventindex_gateway') AND rolcanlogin
  \gexec
GRANT eventindex_ingest TO ingest_service;
GRANT eventindex_index TO index_service;
GRANT eventindex_gateway TO rest_gateway;
ALTER ROLE ingest_service PASSWORD :'writer';
ALTER ROLE index_service PASSWORD :'reader';
ALTER ROLE rest_gateway PASSWORD :'gateway';
ALTER ROLE index_service SET default_transaction_read_only = on;
SQL

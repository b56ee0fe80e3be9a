-- Tokens: who made one, and when it was used last, to the hour.
ALTER TABLE access_token
    ADD COLUMN created_by text NOT NULL DEFAULT '',
    ADD COLUMN last_used timestamptz;

-- The services read digests through this, so that a role needs no right to list them.
CREATE FUNCTION find_access_tokens(digests bytea[])
RETURNS TABLE (
    digest bytea, token_id bigint, subject text, scopes text[], created timestamptz,
    expires timestamptz, revoked timestamptz, created_by text, last_used timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT t.digest, t.token_id, t.subject, t.scopes, t.created, t.expires, t.revoked,
           t.created_by, t.last_used
    FROM access_token AS t WHERE t.digest = ANY (digests)
$$;

-- To the hour: a write an hour and token at most.
CREATE FUNCTION note_access_tokens_used(token_ids bigint[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER AS $$
    UPDATE access_token SET last_used = date_trunc('hour', now(), 'UTC')
    WHERE token_id = ANY (token_ids)
      AND last_used IS DISTINCT FROM date_trunc('hour', now(), 'UTC')
$$;

-- With the rights of the owner, so with no search_path but ours.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'find_access_tokens(bytea[])', 'note_access_tokens_used(bigint[])'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp',
                       name, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
END
$$;

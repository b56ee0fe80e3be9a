-- The functions find their tables and each other whatever the caller's search_path is: postgres_fdw
-- sets it to pg_catalog, REFRESH MATERIALIZED VIEW, CREATE INDEX and VACUUM do from PostgreSQL 17
-- on, and pg_restore empties it. None of them was inlined before: a function that returns null on
-- null, or has a FROM, is not. So this costs a call a few microseconds and no plan.
DO $$
DECLARE
    -- The schema of the migrations, then what is of the session alone.
    path constant text := format('pg_catalog, %I, pg_temp', current_schema());
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'plane_value(bytea, integer, integer, integer)',
        'page_events(bigint, integer, smallint[], uuid[], integer[], bytea, bytea)',
        'lookup_event(bigint, bigint)',
        'raise_dataset_version()',
        'count_dead_letters()'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s', name, path);
    END LOOP;
END
$$;

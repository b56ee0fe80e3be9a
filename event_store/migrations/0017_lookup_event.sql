-- runs with: 0016
-- A cluster (Citus) cannot plan a function in SQL that names a run by its parameter.

-- One event of the collection 'raw' from one page.
CREATE OR REPLACE FUNCTION lookup_event(run bigint, event bigint)
RETURNS TABLE (
    run_number bigint, event_number bigint, olt_result bigint, dsid_raw integer, fuid_raw uuid)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        page.run_number,
        event,
        plane_value(page.olts, page.width, 0, page.pos),
        page.dsids[page.i + 1],
        page.fuids[page.i + 1]
    FROM (
        SELECT
            at_slot.*,
            plane_value(at_slot.files, at_slot.width, at_slot.skip, at_slot.pos)::integer AS i
        FROM (
            SELECT
                p.run_number,
                p.fuids,
                p.dsids,
                p.file_planes || ''::bytea AS files,
                p.olt_planes || ''::bytea AS olts,
                CASE WHEN p.slots IS NULL THEN 1024 ELSE (p.n_events + 7) / 8 END AS width,
                CASE WHEN p.slots IS NULL THEN 1 ELSE 0 END AS skip,
                CASE
                    WHEN p.slots IS NOT NULL
                    THEN array_position(p.slots, (event & 8191)::smallint) - 1
                    WHEN get_bit(p.file_planes, (event & 8191)::integer) = 1
                    THEN (event & 8191)::integer
                END AS pos
            FROM event_page AS p
            WHERE p.run_number = run AND p.collection_id = 0 AND p.page_no = event >> 13
            OFFSET 0
        ) AS at_slot
        WHERE at_slot.pos IS NOT NULL
        OFFSET 0
    ) AS page;
END
$$;
-- What replaces a function drops what 0009 pinned.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION lookup_event(bigint, bigint) SET search_path = %s',
        format('pg_catalog, %I, pg_temp', current_schema()));
END
$$;

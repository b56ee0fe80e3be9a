-- The index for people with psql: the five columns of an event table, decoded from the pages.

-- The value at one position of a run of planes of `width` bytes, from plane number `skip` on.
-- Bit 63 is the sign of the result, so that `&` works on it.
CREATE FUNCTION plane_value(planes bytea, width integer, skip integer, pos integer)
RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(
        bit_or(get_bit(planes, (skip + b) * width * 8 + pos)::bigint << b), 0)
    FROM generate_series(0, octet_length(planes) / greatest(width, 1) - skip - 1) AS b
$$;

-- All events of one page. Concatenating nothing gives the planes as values in memory: otherwise
-- every get_bit would decompress the page again.
CREATE FUNCTION page_events(
    page_no bigint, n_events integer, slots smallint[], fuids uuid[], dsids integer[],
    file_planes bytea, olt_planes bytea)
RETURNS TABLE (event_number bigint, olt_result bigint, dsid_raw integer, fuid_raw uuid)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 8192 AS $$
DECLARE
    dense constant boolean := slots IS NULL;
    width constant integer := CASE WHEN dense THEN 1024 ELSE (n_events + 7) / 8 END;
    skip constant integer := CASE WHEN dense THEN 1 ELSE 0 END;
    files constant bytea := file_planes || ''::bytea;
    olts constant bytea := olt_planes || ''::bytea;
    file_planes_n constant integer :=
        CASE WHEN n_events = 0 THEN 0 ELSE octet_length(files) / width - skip END;
    olt_planes_n constant integer :=
        CASE WHEN n_events = 0 THEN 0 ELSE octet_length(olts) / width END;
    base constant bigint := page_no << 13;
    pos integer;
    b integer;
    i integer;
BEGIN
    FOR pos IN 0 .. CASE WHEN dense THEN 8191 ELSE n_events - 1 END LOOP
        IF dense THEN
            CONTINUE WHEN get_bit(files, pos) = 0;
            event_number := base + pos;
        ELSE
            event_number := base + slots[pos + 1];
        END IF;
        i := 1;
        FOR b IN 0 .. file_planes_n - 1 LOOP
            i := i + (get_bit(files, (skip + b) * width * 8 + pos) << b);
        END LOOP;
        olt_result := 0;
        FOR b IN 0 .. olt_planes_n - 1 LOOP
            olt_result := olt_result | (get_bit(olts, b * width * 8 + pos)::bigint << b);
        END LOOP;
        dsid_raw := dsids[i];
        fuid_raw := fuids[i];
        RETURN NEXT;
    END LOOP;
END
$$;

CREATE VIEW events AS
    SELECT p.run_number, e.event_number, e.olt_result, e.dsid_raw, e.fuid_raw
    FROM event_page AS p
    CROSS JOIN LATERAL page_events(
        p.page_no, p.n_events, p.slots, p.fuids, p.dsids, p.file_planes, p.olt_planes) AS e;

-- One event from one page.
CREATE FUNCTION lookup_event(run bigint, event bigint)
RETURNS TABLE (
    run_number bigint, event_number bigint, olt_result bigint, dsid_raw integer, fuid_raw uuid)
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
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
            WHERE p.run_number = run AND p.page_no = event >> 13
            OFFSET 0
        ) AS at_slot
        WHERE at_slot.pos IS NOT NULL
        OFFSET 0
    ) AS page
$$;

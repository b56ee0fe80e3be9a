-- What a file is called in its storage, how long it is and its checksum: from whoever wrote or
-- catalogued it. A value that was noted stays, unless an admin replaces it.
CREATE TABLE file_info (
    fuid uuid PRIMARY KEY,
    -- What is not known is empty, or null.
    name text NOT NULL DEFAULT '',
    bytes bigint CHECK (bytes > 0),
    checksum text NOT NULL DEFAULT '',
    noted timestamptz NOT NULL DEFAULT now()
);

-- GetFile by name, ListFiles with the beginning of a name.
CREATE INDEX file_info_name ON file_info (name text_pattern_ops) WHERE name <> '';

-- The values that were replaced, by whom and when.
CREATE TABLE file_info_replaced (
    fuid uuid NOT NULL,
    name text NOT NULL,
    bytes bigint,
    checksum text NOT NULL,
    replaced timestamptz NOT NULL DEFAULT now(),
    replaced_by text NOT NULL
);

-- One row, raised whenever what was noted changes; index services, which remember names, compare it.
CREATE TABLE file_info_version (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL DEFAULT 0,
    -- Once a transaction is enough, however many rows it changes.
    raised_by xid8 NOT NULL DEFAULT '0'
) WITH (fillfactor = 50);
INSERT INTO file_info_version DEFAULT VALUES;

CREATE FUNCTION raise_file_info_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE file_info_version SET version = version + 1, raised_by = pg_current_xact_id()
        WHERE raised_by <> pg_current_xact_id();
    RETURN NULL;
END
$$;
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION raise_file_info_version() SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
END
$$;
-- For each row that changes: a statement with ON CONFLICT DO UPDATE counts as one without any.
CREATE TRIGGER file_info_changed AFTER UPDATE OR DELETE ON file_info
    FOR EACH ROW EXECUTE FUNCTION raise_file_info_version();

-- The index: pages of events, and what is kept beside them for each run.
-- Every key begins with run_number where a table is per run, so that a run lives on one shard.

CREATE TABLE run (
    run_number bigint PRIMARY KEY CHECK (run_number >= 0),
    -- Raised by every transaction that changes a page of the run.
    generation bigint NOT NULL DEFAULT 0,
    n_events bigint NOT NULL DEFAULT 0,
    first_event bigint,
    last_event bigint,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    detector_id text
-- A commit rewrites the run's row: room on the block keeps that a HOT update.
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE event_page (
    run_number bigint NOT NULL,
    page_no bigint NOT NULL,
    generation bigint NOT NULL,
    n_events integer NOT NULL,
    slots smallint[],
    fuids uuid[] NOT NULL,
    dsids integer[] NOT NULL,
    file_planes bytea NOT NULL,
    olt_planes bytea NOT NULL,
    PRIMARY KEY (run_number, page_no)
-- Live ingest rewrites the same few pages: vacuum by a number of dead rows, not by a share.
) WITH (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 500,
    toast.autovacuum_vacuum_scale_factor = 0.01,
    toast.autovacuum_vacuum_threshold = 1000
);

-- lz4 where the server was built with it; pglz otherwise.
DO $$
BEGIN
    ALTER TABLE event_page ALTER COLUMN file_planes SET COMPRESSION lz4;
    ALTER TABLE event_page ALTER COLUMN olt_planes SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    NULL;
END
$$;

CREATE TABLE dataset (
    dsid_raw integer PRIMARY KEY CHECK (dsid_raw >= 0),
    name text NOT NULL UNIQUE,
    created timestamptz NOT NULL DEFAULT now(),
    -- 1 open, 2 frozen, 3 retired
    state smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3)),
    comment text NOT NULL DEFAULT ''
);
-- For the reader: the datasets that are not open.
CREATE INDEX dataset_closed ON dataset (dsid_raw) WHERE state <> 1;

-- One row, raised whenever a dataset's state changes; readers compare it with each batch.
CREATE TABLE dataset_version (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO dataset_version DEFAULT VALUES;

CREATE FUNCTION raise_dataset_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE dataset_version SET version = version + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER dataset_state_changed AFTER UPDATE OF state ON dataset
    FOR EACH STATEMENT EXECUTE FUNCTION raise_dataset_version();

CREATE TABLE raw_file (
    run_number bigint NOT NULL,
    fuid_raw uuid NOT NULL,
    dsid_raw integer NOT NULL,
    n_events bigint NOT NULL,
    first_event bigint NOT NULL,
    last_event bigint NOT NULL,
    -- A file that was announced with two datasets has two rows, so that totals stay exact.
    PRIMARY KEY (run_number, fuid_raw, dsid_raw)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

CREATE TABLE event_conflict (
    conflict_id bigint GENERATED ALWAYS AS IDENTITY,
    run_number bigint NOT NULL,
    event_number bigint NOT NULL,
    -- Of the offered values: one row for each distinct offer.
    offer_digest bytea NOT NULL,
    stored_fuid_raw uuid NOT NULL,
    stored_dsid_raw integer NOT NULL,
    stored_olt_result bigint NOT NULL,
    stored_record bytea,
    offered_fuid_raw uuid NOT NULL,
    offered_dsid_raw integer NOT NULL,
    offered_olt_result bigint NOT NULL,
    offered_record bytea,
    source text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    times bigint NOT NULL,
    PRIMARY KEY (run_number, event_number, offer_digest)
);

CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload bytea NOT NULL,
    truncated boolean NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    source text NOT NULL,
    received timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE cosmic_event (
    run_number bigint NOT NULL,
    event_number bigint NOT NULL,
    detector_id text NOT NULL,
    event_time timestamptz,
    format bigint,
    cosmic_block bigint,
    trigger_bits bigint,
    tdc jsonb,
    clock_count bigint,
    trigger_counter bigint,
    epoch bigint,
    counter_clocks bigint,
    event_counter bigint,
    repaired boolean NOT NULL,
    payload bytea NOT NULL,
    -- The record as JSON with sorted keys: what two records are compared by.
    canonical bytea NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_number, event_number, detector_id)
);

CREATE TABLE olt_criterion (
    bit smallint NOT NULL CHECK (bit BETWEEN 0 AND 63),
    first_run bigint NOT NULL CHECK (first_run >= 0),
    name text NOT NULL,
    PRIMARY KEY (bit, first_run)
);

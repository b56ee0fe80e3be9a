-- Jobs of rest_gateway: lists of pairs that are looked up in the background.

CREATE TABLE http_job (
    job_id uuid PRIMARY KEY,
    -- A list is received, then queued until its last chunk is answered. A cancelled one is gone for
    -- its owner and waits to be removed.
    state text NOT NULL CHECK (state IN ('receiving', 'queued', 'done', 'failed', 'cancelled')),
    created timestamptz NOT NULL DEFAULT now(),
    finished timestamptz,
    expires timestamptz NOT NULL,
    with_olt_result boolean NOT NULL,
    pairs bigint NOT NULL DEFAULT 0,
    pairs_done bigint NOT NULL DEFAULT 0,
    found bigint NOT NULL DEFAULT 0,
    chunks integer NOT NULL DEFAULT 0,
    chunks_done integer NOT NULL DEFAULT 0,
    -- What in the list was no pair: line or pointer, field, value, detail.
    errors jsonb NOT NULL DEFAULT '[]',
    failure text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

-- The number of jobs that wait; what has expired or was cancelled.
CREATE INDEX http_job_expires ON http_job (expires);

-- A part of a list and, once it is looked up, its answer: a LookupRequest and a LookupResponse of
-- the wire contract.
CREATE TABLE http_job_chunk (
    job_id uuid NOT NULL REFERENCES http_job,
    chunk_no integer NOT NULL,
    request bytea NOT NULL,
    response bytea,
    PRIMARY KEY (job_id, chunk_no)
);

-- The queue: what is not answered yet, a chunk of each job in turn.
CREATE INDEX http_job_chunk_open ON http_job_chunk (chunk_no, job_id) WHERE response IS NULL;

-- Where rest_gateway has a role of its own, it may read and write its jobs, check tokens, and see
-- that the schema is its own.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'eventindex_gateway') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON http_job, http_job_chunk TO eventindex_gateway;
        GRANT SELECT ON access_token, schema_migration TO eventindex_gateway;
    END IF;
END
$$;

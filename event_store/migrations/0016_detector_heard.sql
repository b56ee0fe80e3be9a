-- When each detector was last heard, and its longest silence so far: a longer one means trouble.
-- A small table that is read whole; ingest services write it every few seconds.
CREATE TABLE detector_heard (
    detector_id text PRIMARY KEY,
    last_heard timestamptz NOT NULL,
    longest_silence_s double precision NOT NULL CHECK (longest_silence_s >= 0)
) WITH (fillfactor = 50);

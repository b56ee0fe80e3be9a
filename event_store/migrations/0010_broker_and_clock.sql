-- What ingest_service has to remember of its broker, and what it makes of a telescope's clock.

-- The sessions that a broker kept, by client id: one that is gone at the next start was lost while
-- the service was away.
CREATE TABLE broker_session (
    client_id text PRIMARY KEY,
    broker text NOT NULL,
    seen timestamptz NOT NULL DEFAULT now()
);

-- A retained message comes again at each subscription: whether it is a dead letter already.
CREATE INDEX dead_letter_payload ON dead_letter (sha256(payload));

-- 'ahead': more than a day ahead of the time it came in. 'never_set': in the first day of the
-- detector's epoch, where a clock begins that nobody set.
ALTER TABLE cosmic_event
    ADD COLUMN clock_problem text NOT NULL DEFAULT ''
        CHECK (clock_problem IN ('', 'ahead', 'never_set'));

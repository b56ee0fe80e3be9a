-- Live ingest rewrites the newest page of a run at every commit, whatever the index holds beside
-- it. A share of the table would let dead versions grow with the index: one percent of 10^12
-- events are 20 GB of them. A fixed number is reached within a minute at 20 commits/s, so that
-- every round of autovacuum (autovacuum_naptime, a minute by default) frees what the last left.
-- Such a round reads little: it skips the pages that the visibility map marks, and leaves the
-- indexes alone while less than two percent of a table's blocks hold dead rows.
ALTER TABLE event_page SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 100,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000
);
ALTER TABLE raw_file SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 500
);

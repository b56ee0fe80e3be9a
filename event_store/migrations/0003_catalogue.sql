-- The catalogue: an index for each list that the primary keys do not serve, and what became of a
-- conflict. No index holds a column that ingest changes.

-- GetFile and ReadRawFile: the runs of a RAW file. ListFiles in the order of fuid_raw.
CREATE INDEX raw_file_fuid ON raw_file (fuid_raw, run_number, dsid_raw);

-- ListFiles and DeleteDataset: the files of a dataset. ListDatasets: the sums over its files.
CREATE INDEX raw_file_dsid ON raw_file (dsid_raw, run_number, fuid_raw);

ALTER TABLE event_conflict
    ADD COLUMN resolution text NOT NULL DEFAULT '' CHECK (resolution IN ('', 'kept', 'replaced')),
    ADD COLUMN resolved_by text,
    ADD COLUMN resolved timestamptz;

-- ResolveConflict: a conflict by its number.
CREATE INDEX event_conflict_id ON event_conflict (conflict_id);

-- ReadRawFile: a telescope's file of which every event is another file's in the index.
CREATE INDEX event_conflict_offered_fuid ON event_conflict (offered_fuid_raw);

-- GetCosmicEvents with a time range: the events of a run in it, and whether there are any.
CREATE INDEX cosmic_event_time ON cosmic_event (run_number, event_time);

-- GetCosmicEvents of a detector, ReadRawFile: its events of a run in ascending order.
CREATE INDEX cosmic_event_detector ON cosmic_event (run_number, detector_id, event_number);

-- Pages that were emptied lie outside of a run's first and last event: the writer, which takes it
-- that there is no page out there, has to look for them from then on.
ALTER TABLE run ADD COLUMN has_emptied_pages boolean NOT NULL DEFAULT false;

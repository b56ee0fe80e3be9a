-- runs with: 0016
-- What leads from a dead letter to the lines of the log about its message, and to the commit beside
-- which it was kept. The service makes it, and it is short: `dead_letter_size` does not count it.
ALTER TABLE dead_letter ADD COLUMN request_id text NOT NULL DEFAULT '';

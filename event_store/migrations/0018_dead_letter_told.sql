-- runs with: 0016
-- What is wrong with a dead letter as a reason with parameters, for readers of other languages:
-- {"reason": …, "parameters": {…}}; null where `detail` is all there is.
ALTER TABLE dead_letter ADD COLUMN detail_told jsonb;

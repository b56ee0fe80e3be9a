-- Jobs of rest_gateway belong to whom they were made for, and count what they take.

-- "" is nobody's: made where nobody was asked for a token.
ALTER TABLE http_job ADD COLUMN owner text NOT NULL DEFAULT '';
-- The row itself, what in the list was no pair, requests and responses.
ALTER TABLE http_job ADD COLUMN bytes bigint NOT NULL DEFAULT 512;

UPDATE http_job SET bytes = 512 + octet_length(errors::text) + COALESCE((
    SELECT sum(octet_length(request) + COALESCE(octet_length(response), 0))
    FROM http_job_chunk WHERE http_job_chunk.job_id = http_job.job_id), 0);

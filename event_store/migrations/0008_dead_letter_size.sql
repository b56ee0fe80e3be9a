-- How much the dead letters take, so that their limit costs a look at one row. What is discarded
-- makes room at once, which the size of the table would not show.
CREATE TABLE dead_letter_size (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    bytes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- No letter comes or goes between the sum and the triggers.
LOCK TABLE dead_letter IN SHARE ROW EXCLUSIVE MODE;

-- A letter takes its texts and its payload, and 128 bytes for the row and its place in the index.
-- As the owner: whoever may change the letters changes their size. 0009 pins its search_path.
CREATE FUNCTION count_dead_letters() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    change bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE dead_letter_size SET bytes = 0;
        RETURN NULL;
    END IF;
    SELECT coalesce(sum(128::bigint + octet_length(topic) + octet_length(payload)
        + octet_length(reason) + octet_length(detail) + octet_length(source)), 0)
        INTO change FROM changed;
    UPDATE dead_letter_size
        SET bytes = bytes + CASE TG_OP WHEN 'INSERT' THEN change ELSE -change END;
    RETURN NULL;
END
$$;
CREATE TRIGGER dead_letters_came AFTER INSERT ON dead_letter
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();
CREATE TRIGGER dead_letters_went AFTER DELETE ON dead_letter
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();
CREATE TRIGGER dead_letters_truncated AFTER TRUNCATE ON dead_letter
    FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();

INSERT INTO dead_letter_size (bytes)
    SELECT coalesce(sum(128::bigint + octet_length(topic) + octet_length(payload)
        + octet_length(reason) + octet_length(detail) + octet_length(source)), 0)
    FROM dead_letter;

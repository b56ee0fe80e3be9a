-- Who changed what through AdminService: a row is committed with the change itself.

CREATE TABLE admin_action (
    action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- One row for each call; a call of several transactions finds its row by it.
    call_id   uuid NOT NULL UNIQUE,
    began     timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended     timestamptz,
    -- '' where nobody was asked for a token.
    subject   text NOT NULL,
    peer      text NOT NULL,
    method    text NOT NULL,
    -- As JSON, without secrets; a long one is cut.
    request   text NOT NULL,
    -- 'OK', 'UNFINISHED' while more transactions are to come, or the code and text of the error.
    outcome   text NOT NULL
);

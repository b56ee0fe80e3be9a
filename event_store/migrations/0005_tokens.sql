-- Who may call the services. A token's secret is stored nowhere: `digest` is its SHA-256.
CREATE TABLE access_token (
    token_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest   bytea NOT NULL CHECK (octet_length(digest) = 32),
    subject  text NOT NULL CHECK (subject <> ''),
    scopes   text[] NOT NULL
        CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['lookup', 'ingest', 'admin']),
    created  timestamptz NOT NULL DEFAULT now(),
    expires  timestamptz NOT NULL CHECK (expires > created),
    revoked  timestamptz
);

-- Authentication: the token with the digest of a secret.
CREATE UNIQUE INDEX access_token_digest ON access_token (digest);

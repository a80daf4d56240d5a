-- Invites of peers that users here accepted. state: pending, accepted, refused.
CREATE TABLE invites_taken (
    id         {id},
    user_id    BIGINT NOT NULL REFERENCES users (id),
    peer       TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    state      TEXT NOT NULL,
    answer     TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX invites_taken_by_user ON invites_taken (user_id);

-- What users here asked the owners of received spaces to share with others. state: pending, made, accepted, refused, ended.
-- provider_id: what the owner calls the share it made for it; secret_sealed: the secret it told.
CREATE TABLE reshares_asked (
    id          {id},
    space_id    BIGINT NOT NULL,
    user_id     BIGINT NOT NULL REFERENCES users (id),
    recipient   TEXT NOT NULL,
    state       TEXT NOT NULL,
    provider_id TEXT,
    secret_sealed TEXT,
    answer      TEXT,
    created_at  BIGINT NOT NULL
);
CREATE INDEX reshares_asked_by_space ON reshares_asked (space_id);

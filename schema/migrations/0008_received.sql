-- A space received from a peer. state: pending (nobody said yes), accepted, declined, gone (the owner took it back).
-- form: legacy, multi; access: what the peer's WebDAV took last: basic, bearer, token. name as the sender gave it.
CREATE TABLE received_shares (
    space_id         {id},
    user_id          BIGINT REFERENCES users (id),
    group_id         BIGINT REFERENCES user_groups (id),
    peer             TEXT NOT NULL,
    provider_id      TEXT NOT NULL,
    name             TEXT NOT NULL,
    description      TEXT NOT NULL,
    owner            TEXT NOT NULL,
    owner_name       TEXT NOT NULL,
    sender           TEXT NOT NULL,
    sender_name      TEXT NOT NULL,
    is_file          BIGINT NOT NULL,
    form             TEXT NOT NULL,
    uri              TEXT NOT NULL,
    permissions      TEXT NOT NULL,
    must_exchange    BIGINT NOT NULL,
    secret_sealed    TEXT NOT NULL,
    secret_hash      TEXT NOT NULL,
    access           TEXT NOT NULL,
    token_sealed     TEXT,
    token_expires_at BIGINT,
    state            TEXT NOT NULL,
    expires_at       BIGINT,
    root_etag        TEXT,
    refresh_at       BIGINT NOT NULL,
    seen_at          BIGINT,
    last_error       TEXT,
    failures         BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    UNIQUE (peer, provider_id)
);
CREATE INDEX received_shares_by_user ON received_shares (user_id);
CREATE INDEX received_shares_by_refresh ON received_shares (state, refresh_at);

-- How the peer shows an item of a received space: its ETag and permission letters there.
CREATE TABLE remote_items (
    item_id     {id},
    etag        TEXT NOT NULL,
    permissions TEXT NOT NULL
);

-- A blob whose bytes lie at a peer: those of the item as its ETag there was. cached_at: they lie here, too.
CREATE TABLE remote_blobs (
    blob_id   {id},
    space_id  BIGINT NOT NULL,
    item_id   BIGINT NOT NULL,
    etag      TEXT NOT NULL,
    cached_at BIGINT,
    used_at   BIGINT NOT NULL
);
CREATE INDEX remote_blobs_by_use ON remote_blobs (cached_at, used_at);
CREATE INDEX remote_blobs_by_space ON remote_blobs (space_id);

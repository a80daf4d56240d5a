-- Bytes of a blob that is put together from ranges of others. A source is a row or a file, never itself put together.
CREATE TABLE blob_segments (
    blob_id       BIGINT NOT NULL REFERENCES blobs (id),
    -- Where the range begins in the blob.
    position      BIGINT NOT NULL,
    source_id     BIGINT NOT NULL REFERENCES blobs (id),
    source_offset BIGINT NOT NULL,
    length        BIGINT NOT NULL,
    PRIMARY KEY (blob_id, position)
);
CREATE INDEX blob_segments_by_source ON blob_segments (source_id);

-- Uploads in pieces, one row for each; kept for a while after the end, so that a repeated end gets the same answer.
CREATE TABLE upload_sessions (
    id           {id},
    user_id      BIGINT NOT NULL REFERENCES users (id),
    protocol     TEXT NOT NULL,
    -- What the client calls it.
    name         TEXT NOT NULL,
    -- Where it will go, as far as that is known before the end.
    space_id     BIGINT,
    folder_id    BIGINT,
    path         TEXT,
    make_folders BIGINT NOT NULL,
    size         BIGINT,
    mtime_ns     BIGINT,
    checksum     TEXT,
    conditions   TEXT,
    -- It only gives its bytes to others (tus: concatenation).
    partial      BIGINT NOT NULL,
    -- Bytes of its chunks, without those that other versions share.
    received     BIGINT NOT NULL,
    -- What the end made.
    item_id      BIGINT,
    version_id   BIGINT,
    was_created  BIGINT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    UNIQUE (user_id, protocol, name)
);
CREATE INDEX upload_sessions_by_folder ON upload_sessions (folder_id);
CREATE INDEX upload_sessions_by_space ON upload_sessions (space_id);
CREATE INDEX upload_sessions_by_expiry ON upload_sessions (expires_at);

-- A piece is a range of a blob: the whole of one of its own, or a part of an older version's.
CREATE TABLE upload_chunks (
    session_id    BIGINT NOT NULL REFERENCES upload_sessions (id),
    -- Number or offset: pieces are put together in this order.
    place         BIGINT NOT NULL,
    name          TEXT NOT NULL,
    -- Where it begins in the file, if the client said so.
    file_offset   BIGINT,
    blob_id       BIGINT NOT NULL REFERENCES blobs (id),
    source_offset BIGINT NOT NULL,
    size          BIGINT NOT NULL,
    shared        BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (session_id, place)
);
CREATE INDEX upload_chunks_by_blob ON upload_chunks (blob_id);

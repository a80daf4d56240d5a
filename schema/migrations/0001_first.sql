-- Times are nanoseconds since 1970 UTC, sizes are bytes, flags are 0 or 1.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id            {id},
    name          TEXT NOT NULL UNIQUE,
    display_name  TEXT NOT NULL,
    password_hash TEXT,
    is_admin      BIGINT NOT NULL,
    disabled      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL
);

-- secret_hash is the SHA-256 of a 160-bit random secret: nothing to guess, so nothing to slow down.
CREATE TABLE app_passwords (
    id          {id},
    user_id     BIGINT NOT NULL REFERENCES users (id),
    label       TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    space_id    BIGINT,
    create_only BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX app_passwords_by_user ON app_passwords (user_id);

CREATE TABLE spaces (
    id             {id},
    name           TEXT NOT NULL,
    kind           TEXT NOT NULL,
    owner_id       BIGINT REFERENCES users (id),
    root_item_id   BIGINT NOT NULL,
    quota_bytes    BIGINT,
    default_recipe TEXT,
    created_at     BIGINT NOT NULL,
    UNIQUE (kind, name)
);
CREATE INDEX spaces_by_owner ON spaces (owner_id);

CREATE TABLE members (
    space_id BIGINT NOT NULL REFERENCES spaces (id),
    user_id  BIGINT NOT NULL REFERENCES users (id),
    role     TEXT NOT NULL,
    PRIMARY KEY (space_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);

-- A folder's size is the sum of everything below; last_change is the cursor of the last change at or below it.
-- An item in the trash has no parent; what lies below it keeps its place, so trash and restore touch one row.
CREATE TABLE items (
    id          {id},
    space_id    BIGINT NOT NULL REFERENCES spaces (id),
    parent_id   BIGINT REFERENCES items (id),
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    version_id  BIGINT,
    size        BIGINT NOT NULL,
    mtime_ns    BIGINT NOT NULL,
    last_change BIGINT NOT NULL,
    run_id      BIGINT,
    created_at  BIGINT NOT NULL,
    UNIQUE (parent_id, name)
);
CREATE INDEX items_by_run ON items (run_id);

CREATE TABLE blobs (
    id         {id},
    size       BIGINT NOT NULL,
    sha256     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Bodies too small to deserve a file of their own; a blob without a row here lies in the blob store.
CREATE TABLE blob_bodies (
    blob_id {id},
    body    {bytes} NOT NULL
);

CREATE TABLE versions (
    id         {id},
    item_id    BIGINT NOT NULL REFERENCES items (id),
    blob_id    BIGINT NOT NULL REFERENCES blobs (id),
    size       BIGINT NOT NULL,
    sha256     TEXT NOT NULL,
    checksum   TEXT,
    content    TEXT NOT NULL,
    mtime_ns   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    author_id  BIGINT,
    run_id     BIGINT
);
CREATE INDEX versions_by_item ON versions (item_id);
CREATE INDEX versions_by_blob ON versions (blob_id);

CREATE TABLE trash (
    item_id       {id},
    space_id      BIGINT NOT NULL REFERENCES spaces (id),
    parent_id     BIGINT NOT NULL,
    original_path TEXT NOT NULL,
    deleted_at    BIGINT NOT NULL,
    deleted_by    BIGINT
);
CREATE INDEX trash_by_space ON trash (space_id, deleted_at);

CREATE TABLE properties (
    item_id   BIGINT NOT NULL REFERENCES items (id),
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (item_id, namespace, name)
);

CREATE TABLE locks (
    token      TEXT PRIMARY KEY,
    space_id   BIGINT NOT NULL REFERENCES spaces (id),
    path       TEXT NOT NULL,
    deep       BIGINT NOT NULL,
    exclusive  BIGINT NOT NULL,
    user_id    BIGINT NOT NULL,
    owner_xml  TEXT NOT NULL,
    timeout_s  BIGINT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX locks_by_path ON locks (space_id, path);

-- An upload under way that will become a blob of its own. The row comes before the first byte.
CREATE TABLE uploads (
    id         {id},
    space_id   BIGINT NOT NULL,
    folder_id  BIGINT NOT NULL,
    name       TEXT NOT NULL,
    blob_id    BIGINT NOT NULL,
    user_id    BIGINT,
    run_id     BIGINT,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX uploads_by_folder ON uploads (folder_id);
-- Two uploads never write under one name, whatever ids two servers draw.
CREATE UNIQUE INDEX uploads_by_blob ON uploads (blob_id);

CREATE TABLE journal (
    id   {id},
    head BIGINT NOT NULL
);
INSERT INTO journal (id, head) VALUES (1, 0);

CREATE TABLE changes (
    cursor        {id},
    space_id      BIGINT NOT NULL,
    item_id       BIGINT NOT NULL,
    folder_id     BIGINT,
    old_folder_id BIGINT,
    kind          TEXT NOT NULL,
    name          TEXT NOT NULL,
    run_id        BIGINT,
    actor_id      BIGINT,
    at            BIGINT NOT NULL
);
CREATE INDEX changes_by_space ON changes (space_id, cursor);

CREATE TABLE cursors (
    name     TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);

-- Folders whose state a trigger has yet to look at.
CREATE TABLE watched_folders (
    folder_id   {id},
    space_id    BIGINT NOT NULL,
    last_change BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL
);
CREATE INDEX watched_folders_by_due ON watched_folders (due_at);

CREATE TABLE runs (
    id          {id},
    space_id    BIGINT NOT NULL REFERENCES spaces (id),
    folder_id   BIGINT NOT NULL,
    identity    TEXT NOT NULL,
    recipe      TEXT,
    engine      TEXT NOT NULL,
    state       TEXT NOT NULL,
    progress    DOUBLE PRECISION NOT NULL,
    step        TEXT NOT NULL,
    message     TEXT,
    digest      TEXT,
    attempts    BIGINT NOT NULL,
    outputs     TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT,
    revision    BIGINT NOT NULL
);
CREATE INDEX runs_by_folder ON runs (folder_id, id);
CREATE INDEX runs_by_space ON runs (space_id, id);
CREATE INDEX runs_by_revision ON runs (revision);

CREATE TABLE run_inputs (
    run_id     BIGINT NOT NULL REFERENCES runs (id),
    item_id    BIGINT NOT NULL,
    version_id BIGINT NOT NULL REFERENCES versions (id),
    name       TEXT NOT NULL,
    PRIMARY KEY (run_id, item_id)
);
CREATE INDEX run_inputs_by_version ON run_inputs (version_id);

CREATE TABLE jobs (
    id           {id},
    kind         TEXT NOT NULL,
    subject_id   BIGINT NOT NULL,
    state        TEXT NOT NULL,
    attempts     BIGINT NOT NULL,
    run_at       BIGINT NOT NULL,
    lease_owner  TEXT,
    lease_until  BIGINT,
    last_error   TEXT,
    created_at   BIGINT NOT NULL
);
CREATE INDEX jobs_by_state ON jobs (state, run_at);

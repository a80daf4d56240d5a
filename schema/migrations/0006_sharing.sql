-- Roles are the same words for members and for shares: viewer, contributor (reads, and makes new items), editor, manager.
UPDATE members SET role = 'editor' WHERE role = 'contributor';

CREATE TABLE user_groups (
    id           {id},
    name         TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE TABLE group_members (
    group_id BIGINT NOT NULL REFERENCES user_groups (id),
    user_id  BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_by_user ON group_members (user_id);

-- Access to an item and what lies below it. kind: user, group, link, federated. space_id is where the item was when it was
-- shared: an item that was moved to another space is not shared there. parent_share_id: made through that share, and ends
-- with it. A share that ends is a row less; the audit keeps its story.
CREATE TABLE shares (
    id              {id},
    kind            TEXT NOT NULL,
    space_id        BIGINT NOT NULL REFERENCES spaces (id),
    item_id         BIGINT NOT NULL REFERENCES items (id),
    grantor_id      BIGINT NOT NULL REFERENCES users (id),
    parent_share_id BIGINT,
    user_id         BIGINT REFERENCES users (id),
    group_id        BIGINT REFERENCES user_groups (id),
    role            TEXT NOT NULL,
    upload_only     BIGINT NOT NULL,
    may_reshare     BIGINT NOT NULL,
    label           TEXT NOT NULL,
    note            TEXT NOT NULL,
    token           TEXT UNIQUE,
    password_hash   TEXT,
    expires_at      BIGINT,
    created_at      BIGINT NOT NULL
);
CREATE INDEX shares_by_item ON shares (item_id);
CREATE INDEX shares_by_grantor ON shares (grantor_id);
CREATE INDEX shares_by_user ON shares (user_id);
CREATE INDEX shares_by_group ON shares (group_id);
CREATE INDEX shares_by_parent ON shares (parent_share_id);

-- What a user sees in the folder Shares: a share of this installation, or a space received from a peer.
CREATE TABLE shares_folder (
    user_id    BIGINT NOT NULL REFERENCES users (id),
    name       TEXT NOT NULL,
    share_id   BIGINT,
    space_id   BIGINT,
    hidden     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);
CREATE UNIQUE INDEX shares_folder_by_share ON shares_folder (share_id, user_id);
CREATE UNIQUE INDEX shares_folder_by_space ON shares_folder (space_id, user_id);

-- Who gave, used and took back access. No secrets; names as they were, so that a row outlives what it speaks of.
CREATE TABLE audit (
    id       {id},
    at       BIGINT NOT NULL,
    event    TEXT NOT NULL,
    actor    TEXT NOT NULL,
    user_id  BIGINT,
    share_id BIGINT,
    space_id BIGINT,
    item_id  BIGINT,
    subject  TEXT NOT NULL,
    client   TEXT NOT NULL,
    details  TEXT NOT NULL
);
CREATE INDEX audit_by_item ON audit (item_id, id);
CREATE INDEX audit_by_share ON audit (share_id, id);

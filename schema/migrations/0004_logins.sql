-- A client that logs in through a browser: it begins, a person grants, it collects. Both secrets are kept as hashes;
-- the app password is made when it is collected, so that it lies nowhere in between.
CREATE TABLE login_flows (
    id         {id},
    poll_hash  TEXT NOT NULL UNIQUE,
    grant_hash TEXT NOT NULL UNIQUE,
    label      TEXT NOT NULL,
    user_id    BIGINT REFERENCES users (id),
    expires_at BIGINT NOT NULL
);
CREATE INDEX login_flows_by_end ON login_flows (expires_at);

-- An app password that is to be wiped opens nothing any more; its holder is told to remove what it has.
ALTER TABLE app_passwords ADD COLUMN last_used_at BIGINT;
ALTER TABLE app_passwords ADD COLUMN wipe_asked_at BIGINT;

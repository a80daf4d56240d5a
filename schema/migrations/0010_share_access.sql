-- An upload and a lock belong to whoever came by this share, where not to the user as such: a link acts in its grantor's
-- name and is not its grantor.
ALTER TABLE upload_sessions ADD COLUMN share_id BIGINT;
ALTER TABLE locks ADD COLUMN share_id BIGINT;

-- SHA-256 of secrets and tokens of shares that were taken back: who shows one hears that it is gone, not that it is wrong.
CREATE TABLE ended_secrets (
    hash     TEXT PRIMARY KEY,
    ended_at BIGINT NOT NULL
);

-- What a client's cursor may still ask for, and what is on its way out.

-- Changes up to and including this cursor may be gone: whoever read less far lists the tree again.
ALTER TABLE journal ADD COLUMN lowest BIGINT NOT NULL DEFAULT 0;

-- A purged item is no longer listed or restored; the sweep removes it piece by piece. Not looked at before `retry_at`.
ALTER TABLE trash ADD COLUMN purging BIGINT NOT NULL DEFAULT 0;
ALTER TABLE trash ADD COLUMN retry_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX trash_by_age ON trash (deleted_at);

-- Blobs that lost a version: removed later, if nobody refers to them then.
CREATE TABLE dropped_blobs (
    blob_id    {id},
    dropped_at BIGINT NOT NULL
);
CREATE INDEX dropped_blobs_by_time ON dropped_blobs (dropped_at);

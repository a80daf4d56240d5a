-- What a peer lets us do with an item of a received space, as bits: 1 delete, 2 move, 4 write, 8 make something in it.
-- NULL: the peer did not say, or the item is ours.
ALTER TABLE items ADD COLUMN rights BIGINT;

-- epoch: counts our own changes, so that what the peer listed before one is not taken for what it has after it.
-- follows: 1 while the peer's folder ETags moved with everything below, as far as was seen; 0 once they did not.
-- walked_at: when every folder was last listed; walk_ns: how long that took.
ALTER TABLE received_shares ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE received_shares ADD COLUMN follows BIGINT NOT NULL DEFAULT 1;
ALTER TABLE received_shares ADD COLUMN walked_at BIGINT;
ALTER TABLE received_shares ADD COLUMN walk_ns BIGINT NOT NULL DEFAULT 0;
-- Names the peer has and we cannot carry, for people.
ALTER TABLE received_shares ADD COLUMN skipped TEXT NOT NULL DEFAULT '';
CREATE INDEX remote_blobs_by_item ON remote_blobs (item_id);

-- A user lock is taken by a person, not by a program: it has no token to show and does not stop its holder.
ALTER TABLE locks ADD COLUMN of_person BIGINT NOT NULL DEFAULT 0;
ALTER TABLE locks ADD COLUMN taken_at BIGINT NOT NULL DEFAULT 0;

-- Marks a person set for herself; nobody else sees them. A mark on an item that is gone means nothing.
CREATE TABLE favorites (
    user_id BIGINT NOT NULL,
    item_id BIGINT NOT NULL,
    PRIMARY KEY (user_id, item_id)
);
CREATE INDEX favorites_by_item ON favorites (item_id);

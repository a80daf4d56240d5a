-- A rerun asked for although the engines differ; the numbers behind its verdict, as JSON; where a run reads its files, if
-- not in its own folder; the difference map beside an attestation.
ALTER TABLE reruns ADD COLUMN any_engine BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reruns ADD COLUMN numbers TEXT;
ALTER TABLE reruns ADD COLUMN started_at BIGINT;
ALTER TABLE runs ADD COLUMN source_id BIGINT;
ALTER TABLE attestations ADD COLUMN picture_id BIGINT;
CREATE INDEX reruns_by_user ON reruns (user_id, id);
CREATE INDEX attestations_by_item ON attestations (item_id);

-- Repetitions of a run of a peer, asked for by a local user on a received folder. state: queued, fetching, checking,
-- running, comparing, done, refused, failed; verdict: identical, agrees, diverged.
CREATE TABLE reruns (
    id          {id},
    space_id    BIGINT NOT NULL,
    folder_id   BIGINT NOT NULL,
    user_id     BIGINT NOT NULL,
    state       TEXT NOT NULL,
    message     TEXT,
    verdict     TEXT,
    their_digest TEXT,
    our_digest  TEXT,
    attestation TEXT,
    attempts    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX reruns_by_folder ON reruns (folder_id, id);

-- What peers attested about our runs. One word of a peer about a run; a later one replaces it.
CREATE TABLE attestations (
    run_id      BIGINT NOT NULL REFERENCES runs (id),
    peer        TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    jws         TEXT NOT NULL,
    attested_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    item_id     BIGINT,
    PRIMARY KEY (run_id, peer)
);

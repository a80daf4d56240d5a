-- The keys this site signs with. kind: rsa, ed25519; state: active, retired (still published, so that what was signed
-- before can be verified). The private half is sealed.
CREATE TABLE site_keys (
    id         {id},
    kid        TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    sealed     TEXT NOT NULL,
    state      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);

-- Other sites we have heard of. host is host[:port]; trust: default, allowed, denied. has_signed: it signed once, so what
-- comes unsigned in its name is refused. retry_at: not to be called before, because it did not answer.
CREATE TABLE peers (
    host            TEXT PRIMARY KEY,
    trust           TEXT NOT NULL,
    has_signed      BIGINT NOT NULL,
    discovery       TEXT,
    discovered_at   BIGINT,
    keys            TEXT,
    keys_at         BIGINT,
    last_contact_at BIGINT,
    last_error      TEXT,
    last_error_at   BIGINT,
    failures        BIGINT NOT NULL,
    retry_at        BIGINT NOT NULL,
    created_at      BIGINT NOT NULL
);

-- What a share of kind federated has beyond others. recipient is name@host; sender is who asked for it, where that is not
-- the grantor (a re-share asked for by a peer). state: pending, sent, accepted, declined, refused.
CREATE TABLE federated_shares (
    share_id      {id},
    provider_id   TEXT NOT NULL UNIQUE,
    recipient     TEXT NOT NULL,
    is_group      BIGINT NOT NULL,
    peer          TEXT NOT NULL,
    sender        TEXT,
    sender_id     TEXT,
    secret_hash   TEXT NOT NULL UNIQUE,
    secret_sealed TEXT NOT NULL,
    must_exchange BIGINT NOT NULL,
    state         TEXT NOT NULL,
    form          TEXT,
    answer        TEXT,
    changed_at    BIGINT NOT NULL
);
CREATE INDEX federated_shares_by_peer ON federated_shares (peer);

-- Tokens given for the secret of a share. Only their hash is kept.
CREATE TABLE exchanged_tokens (
    token_hash TEXT PRIMARY KEY,
    share_id   BIGINT NOT NULL,
    peer       TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX exchanged_tokens_by_share ON exchanged_tokens (share_id);

CREATE TABLE invites (
    id          {id},
    user_id     BIGINT NOT NULL REFERENCES users (id),
    token       TEXT NOT NULL UNIQUE,
    note        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    accepted_by TEXT,
    accepted_at BIGINT
);
CREATE INDEX invites_by_user ON invites (user_id);

-- People at other sites with whom an invite was exchanged, in either direction.
CREATE TABLE contacts (
    user_id     BIGINT NOT NULL REFERENCES users (id),
    remote_user TEXT NOT NULL,
    peer        TEXT NOT NULL,
    name        TEXT NOT NULL,
    email       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, remote_user, peer)
);

-- Calls to peers that must arrive. kind: share, notification, invite_accepted, attestation. state: waiting, done, failed.
-- The body is what is to be said, not how: the form is chosen when the peer is known. Secrets in it are sealed.
CREATE TABLE outbox (
    id          {id},
    peer        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject_id  BIGINT NOT NULL,
    body        TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    gives_up_at BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    last_error  TEXT,
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT
);
CREATE INDEX outbox_by_due ON outbox (state, due_at);
CREATE INDEX outbox_by_subject ON outbox (peer, subject_id, id);

-- Instants are milliseconds since 1970 UTC. Times that may not be known are NULL.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Bytes of envelopes, by their SHA-256; `content` when small, else a file of the payload store.
CREATE TABLE payloads (
    digest     TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    content    BLOB,
    path       TEXT,
    stored_at  INTEGER NOT NULL,
    CHECK ((content IS NULL) <> (path IS NULL))
);

CREATE TABLE messages (
    message_row       INTEGER PRIMARY KEY,
    origin            TEXT NOT NULL,
    message_id        TEXT NOT NULL,
    message_type      TEXT NOT NULL,
    sender            TEXT NOT NULL,
    sender_as         TEXT NOT NULL,
    digest            TEXT NOT NULL REFERENCES payloads (digest),
    size_bytes        INTEGER NOT NULL,
    priority          INTEGER NOT NULL,
    accepted_at       INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    subject           TEXT NOT NULL,
    notation          TEXT NOT NULL,
    document_id       TEXT NOT NULL,
    promulgation_date TEXT NOT NULL,
    findings          TEXT NOT NULL,
    submitted_by      TEXT,
    first_row         INTEGER,          -- the message a repeat after a refusal goes back to
    seal_kind         TEXT,
    seal              BLOB,
    UNIQUE (message_id, origin)
);
CREATE INDEX messages_by_sender ON messages (sender, message_row) WHERE submitted_by IS NOT NULL;
CREATE INDEX messages_by_document ON messages (document_id) WHERE message_type = 'edoc';
CREATE INDEX messages_by_notation ON messages (notation, promulgation_date) WHERE message_type = 'edoc';
CREATE INDEX messages_by_first ON messages (first_row) WHERE first_row IS NOT NULL;

-- How a message came in: handed in by a system (no neighbour), or by a transfer, whose answer it is.
CREATE TABLE arrivals (
    arrival_row  INTEGER PRIMARY KEY,
    message_row  INTEGER REFERENCES messages (message_row),  -- NULL when all of it was refused
    neighbour    TEXT,
    transfer_id  TEXT,
    header       BLOB,
    signature    BLOB,
    trace        TEXT NOT NULL,
    receipt      TEXT NOT NULL,          -- of this node: the answer, and `previous` of the next hop
    at           INTEGER NOT NULL
);
CREATE UNIQUE INDEX arrivals_by_transfer ON arrivals (neighbour, transfer_id) WHERE neighbour IS NOT NULL;
CREATE INDEX arrivals_by_message ON arrivals (message_row);

CREATE TABLE deliveries (
    delivery_row    INTEGER PRIMARY KEY,
    delivery_id     TEXT NOT NULL UNIQUE,
    message_row     INTEGER NOT NULL REFERENCES messages (message_row),
    arrival_row     INTEGER NOT NULL REFERENCES arrivals (arrival_row),
    recipient       TEXT NOT NULL,
    addressed_as    TEXT NOT NULL,
    state           TEXT NOT NULL,
    lane            INTEGER NOT NULL,
    next_hop        TEXT,                -- NULL: served here
    transfer_id     TEXT,                -- frozen when first sent
    acknowledgement TEXT NOT NULL DEFAULT 'initial',
    reason          TEXT,
    detail          TEXT NOT NULL DEFAULT '',
    failed_at_node  TEXT,
    expires_at      INTEGER NOT NULL,
    available_at    INTEGER,
    inbox_cursor    INTEGER,             -- dense order of becoming available here
    settled_at      INTEGER,
    updated_at      INTEGER NOT NULL,
    UNIQUE (message_row, recipient)
);
CREATE INDEX deliveries_ready ON deliveries (next_hop, lane DESC, delivery_row)
    WHERE state = 'queued' AND transfer_id IS NULL;
CREATE INDEX deliveries_sealing ON deliveries (message_row) WHERE state = 'sealing';
CREATE INDEX deliveries_waiting ON deliveries (expires_at)
    WHERE state IN ('sealing', 'queued', 'in-doubt');
CREATE INDEX deliveries_in_flight ON deliveries (transfer_id) WHERE transfer_id IS NOT NULL;
CREATE UNIQUE INDEX deliveries_inbox ON deliveries (inbox_cursor) WHERE inbox_cursor IS NOT NULL;
CREATE INDEX deliveries_inbox_of ON deliveries (recipient, inbox_cursor) WHERE inbox_cursor IS NOT NULL;

-- Outgoing transfers: frozen before their first attempt, repeated to the letter.
CREATE TABLE transfers (
    transfer_id TEXT PRIMARY KEY,
    neighbour   TEXT NOT NULL,
    message_row INTEGER NOT NULL REFERENCES messages (message_row),
    header      BLOB NOT NULL,
    signature   BLOB NOT NULL,
    lane        INTEGER NOT NULL,
    open        INTEGER NOT NULL,        -- 1 until answered or given up
    attempts    INTEGER NOT NULL,
    not_before  INTEGER NOT NULL,
    last_error  TEXT NOT NULL DEFAULT '',
    answer      TEXT,
    created_at  INTEGER NOT NULL
);
CREATE INDEX transfers_open ON transfers (neighbour, not_before) WHERE open = 1;
CREATE INDEX transfers_by_message ON transfers (message_row);

CREATE TABLE receipts (
    digest      TEXT PRIMARY KEY,
    message_row INTEGER REFERENCES messages (message_row),
    issuer      TEXT NOT NULL,
    document    BLOB NOT NULL,
    signature   BLOB NOT NULL,
    stored_at   INTEGER NOT NULL
);
CREATE INDEX receipts_by_message ON receipts (message_row);

-- Receipts on their way back to the neighbour a message came from.
CREATE TABLE returns (
    return_row INTEGER PRIMARY KEY,
    neighbour  TEXT NOT NULL,
    receipt    TEXT NOT NULL REFERENCES receipts (digest),
    parked     INTEGER NOT NULL DEFAULT 0,   -- 1: the neighbour refused it by itself
    UNIQUE (neighbour, receipt)
);
CREATE INDEX returns_waiting ON returns (neighbour, return_row) WHERE parked = 0;

CREATE TABLE neighbours (
    node_id  TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    last_error TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- submission key -> the newest message of its family.
CREATE TABLE submissions (
    submission_key TEXT PRIMARY KEY,
    message_row    INTEGER NOT NULL REFERENCES messages (message_row)
) WITHOUT ROWID;
CREATE TABLE idempotency (
    idempotency_key TEXT PRIMARY KEY,
    submission_key  TEXT NOT NULL
) WITHOUT ROWID;

-- What status messages say, matched to the document they speak of once it is known.
CREATE TABLE reports (
    message_row       INTEGER PRIMARY KEY REFERENCES messages (message_row),
    status_code       TEXT NOT NULL,
    sender            TEXT NOT NULL,
    organ_id          TEXT NOT NULL,
    document_id       TEXT NOT NULL,
    notation          TEXT NOT NULL,
    promulgation_date TEXT NOT NULL,
    description       TEXT NOT NULL,
    reported_at       TEXT NOT NULL,
    matched_row       INTEGER REFERENCES messages (message_row)
);
CREATE INDEX reports_early ON reports (document_id) WHERE matched_row IS NULL;
CREATE INDEX reports_early_notation ON reports (notation, promulgation_date) WHERE matched_row IS NULL;
CREATE INDEX reports_by_match ON reports (matched_row) WHERE matched_row IS NOT NULL;

CREATE TABLE tokens (
    token_id   TEXT PRIMARY KEY,
    secret     TEXT NOT NULL UNIQUE,     -- SHA-256 of the secret
    holder     TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) WITHOUT ROWID;

-- The audit log: final RFC 6962 leaf bytes, and the right edge of the tree with its signed head.
CREATE TABLE entries (
    entry_index INTEGER PRIMARY KEY,
    leaf        BLOB NOT NULL,
    leaf_hash   BLOB NOT NULL
);
CREATE TABLE log_head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    frontier BLOB NOT NULL,
    note     BLOB NOT NULL
);

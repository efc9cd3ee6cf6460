-- Witnesses of audit logs (relay/witness/): what this node cosigned of others, and who cosigned its own heads.

CREATE TABLE witness_logs (
    origin      TEXT PRIMARY KEY,
    log         TEXT NOT NULL,       -- the node whose log it is; of a log that is no node's its origin
    epoch       INTEGER NOT NULL,
    size        INTEGER NOT NULL,    -- of the newest head cosigned; 0 with an empty note: let in by an operator
    root        BLOB NOT NULL,
    note        BLOB NOT NULL,       -- as it came, with the log's signature
    cosigned_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX witness_logs_by_log ON witness_logs (log, epoch);

-- The newest heads cosigned of each, so that another head of the same size is proof at once.
CREATE TABLE witness_seen (
    seen_row INTEGER PRIMARY KEY,
    origin   TEXT NOT NULL,
    size     INTEGER NOT NULL,
    root     BLOB NOT NULL,
    note     BLOB NOT NULL,
    UNIQUE (origin, size)
);

-- The key of each neighbour's log as it was last proven, with the certificates that prove it, DER in base64.
CREATE TABLE witness_keys (
    node         TEXT PRIMARY KEY,
    public_key   BLOB NOT NULL,
    certificates TEXT NOT NULL,
    since        INTEGER NOT NULL
) WITHOUT ROWID;

-- Evidence: two notes signed by one log's key that cannot be of one history. Kept for ever.
CREATE TABLE witness_alarms (
    alarm_row    INTEGER PRIMARY KEY,
    log          TEXT NOT NULL,
    origin       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    why          TEXT NOT NULL,
    ours         BLOB NOT NULL,
    theirs       BLOB NOT NULL,
    proof        TEXT NOT NULL,      -- hashes in base64, as JSON
    leaf         BLOB NOT NULL,      -- the first entry of a new epoch, where it was handed in
    handed_in_by TEXT NOT NULL,
    at           INTEGER NOT NULL,
    cleared_at   INTEGER
);
CREATE INDEX witness_alarms_open ON witness_alarms (log) WHERE cleared_at IS NULL;

-- The newest cosignature of each witness, for each epoch of this node's log.
CREATE TABLE cosignatures (
    witness TEXT NOT NULL,
    origin  TEXT NOT NULL,
    size    INTEGER NOT NULL,
    note    BLOB NOT NULL,           -- the head as this node signed it
    line    BLOB NOT NULL,
    at      INTEGER NOT NULL,        -- by the witness's clock
    PRIMARY KEY (witness, origin)
) WITHOUT ROWID;

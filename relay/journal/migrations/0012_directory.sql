-- The directory beyond the configuration (delivery/directory/). `record` is what routing/listing.py's
-- stored_text writes of an agency.

-- What was decided at this node: imported by operators, registered by systems.
CREATE TABLE directory_own (
    code   TEXT PRIMARY KEY,
    record TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE directory_nodes (
    node_id TEXT PRIMARY KEY,
    tier    TEXT NOT NULL,
    parent  TEXT
) WITHOUT ROWID;

-- What the owners of branches signed, the newest of each; this node's own among them.
CREATE TABLE directory_documents (
    issuer     TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    digest     TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    taken_at   INTEGER NOT NULL,
    document   BLOB NOT NULL,
    signature  BLOB NOT NULL
);

-- When this node's whole view of an agency last changed, and what it was: what has left the view stays
-- as a tombstone (standing 'gone'). A number is never given twice.
CREATE TABLE directory_ledger (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    code        TEXT NOT NULL UNIQUE,
    version     INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    standing    TEXT NOT NULL,   -- open, not-yet, closed, gone
    record      TEXT NOT NULL
);

-- What systems asked for with registerAgency and deleteAgency, and what became of it.
CREATE TABLE directory_requests (
    request_id INTEGER PRIMARY KEY AUTOINCREMENT,
    systemid   TEXT NOT NULL,
    kind       TEXT NOT NULL,   -- register, delete
    code       TEXT NOT NULL,
    record     TEXT NOT NULL,
    state      TEXT NOT NULL,   -- pending, approved, rejected
    asked_at   INTEGER NOT NULL,
    decided_at INTEGER,
    by_whom    TEXT,
    why        TEXT
);
CREATE INDEX directory_requests_open ON directory_requests (request_id) WHERE state = 'pending';
CREATE INDEX directory_requests_of ON directory_requests (systemid, code);

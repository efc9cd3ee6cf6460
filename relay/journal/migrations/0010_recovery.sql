-- A restored node and its neighbours (delivery/recovery/): how far each has told what was exchanged
-- with it. The rows of the last recovery stay, so that one can see how it went.
CREATE TABLE recovery (
    neighbour TEXT PRIMARY KEY,
    step      TEXT NOT NULL,
    cursor    INTEGER,                      -- where the next page of `asking` begins
    documents INTEGER NOT NULL DEFAULT 0,   -- of ours, admitted again
    receipts  INTEGER NOT NULL DEFAULT 0,   -- queued there again for us
    transfers INTEGER NOT NULL DEFAULT 0,   -- to us, opened there again
    missing   INTEGER NOT NULL DEFAULT 0,   -- what it no longer has, or what did not prove
    done_at   INTEGER,
    by_whom   TEXT,                         -- who gave it up, and why
    why       TEXT
) WITHOUT ROWID;

-- Transfers of ours whose documents are to be fetched back.
CREATE TABLE recovery_wanted (
    neighbour   TEXT NOT NULL,
    transfer_id TEXT NOT NULL,
    PRIMARY KEY (neighbour, transfer_id)
) WITHOUT ROWID;

-- Receipts that came before their message came back; this node's own have no neighbour.
CREATE TABLE early_receipts (
    early_row  INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    message_id TEXT NOT NULL,
    origin     TEXT NOT NULL,
    neighbour  TEXT,
    document   BLOB NOT NULL,
    signature  BLOB NOT NULL
);
CREATE INDEX early_by_message ON early_receipts (message_id, origin);

-- Documents signed by this node that it is known to have lost: no news of another loss.
CREATE TABLE lost_documents (digest TEXT PRIMARY KEY) WITHOUT ROWID;

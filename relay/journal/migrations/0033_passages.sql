-- Deliveries that came from a neighbour and wait here, or did until a moment ago (relay/delivery/passing/): what is
-- told of them. One that went on within seconds is never in it.
CREATE TABLE watched (
    delivery_row INTEGER PRIMARY KEY,
    waits        TEXT NOT NULL,          -- JSON: reason, since, until or null
    told         INTEGER NOT NULL,       -- how often the log told of it
    next_at      INTEGER NOT NULL,       -- not again before
    untold       INTEGER NOT NULL        -- 1: something changed since
);
CREATE TRIGGER watched_go AFTER DELETE ON deliveries BEGIN
    DELETE FROM watched WHERE delivery_row = old.delivery_row;
END;

-- What other nodes proved of messages that waited with them, beside their receipts: of the same recipients the newest.
CREATE TABLE passages (
    receipt  TEXT NOT NULL,
    about    TEXT NOT NULL,              -- digest of the recipients
    told_at  INTEGER NOT NULL,           -- by the clock of the node that tells
    leaf     BLOB NOT NULL,              -- the entry itself
    proof    BLOB NOT NULL,              -- C2SP tlog-proof, without the receipt
    kept_at  INTEGER NOT NULL,
    PRIMARY KEY (receipt, about)
) WITHOUT ROWID;

-- The same queue for both: '' about a receipt itself.
CREATE TABLE attachments_both (
    attach_row  INTEGER PRIMARY KEY,
    receipt     TEXT NOT NULL,
    neighbour   TEXT NOT NULL,
    about       TEXT NOT NULL DEFAULT '',
    entry_index INTEGER,                 -- of this node's log; NULL: it is in receipt_proofs or passages
    attempts    INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL,
    queued_at   INTEGER NOT NULL,
    UNIQUE (receipt, neighbour, about)
);
INSERT INTO attachments_both (attach_row, receipt, neighbour, entry_index, attempts, not_before, queued_at)
SELECT attach_row, receipt, neighbour, entry_index, attempts, not_before, queued_at FROM attachments;
DROP TRIGGER proofs_go;
DROP TABLE attachments;
ALTER TABLE attachments_both RENAME TO attachments;
CREATE INDEX attachments_due ON attachments (neighbour, not_before);
CREATE INDEX attachments_old ON attachments (queued_at);
CREATE TRIGGER passages_go AFTER DELETE ON passages BEGIN
    DELETE FROM attachments WHERE receipt = old.receipt AND about = old.about;
END;
CREATE TRIGGER proofs_go AFTER DELETE ON receipts BEGIN
    DELETE FROM receipt_proofs WHERE receipt = old.digest;
    DELETE FROM passages WHERE receipt = old.digest;
    DELETE FROM attachments WHERE receipt = old.digest;
END;

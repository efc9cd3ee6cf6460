-- Proofs that receipts stand in the logs of those who signed them (relay/delivery/attaching/), beside the receipts.
CREATE TABLE receipt_proofs (
    receipt  TEXT PRIMARY KEY,
    log      TEXT NOT NULL,              -- the name of the log it stands in
    size     INTEGER NOT NULL,           -- entries under the head it is proven by
    cosigned INTEGER NOT NULL,           -- how many others signed that head
    proof    BLOB NOT NULL,              -- C2SP tlog-proof, without the receipt, which stands in receipts
    kept_at  INTEGER NOT NULL
) WITHOUT ROWID;

-- Proofs that are to go to the neighbour their receipt went to.
CREATE TABLE attachments (
    attach_row  INTEGER PRIMARY KEY,
    receipt     TEXT NOT NULL,
    neighbour   TEXT NOT NULL,
    entry_index INTEGER,                 -- of this node's log; NULL: it is in receipt_proofs
    attempts    INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL,
    queued_at   INTEGER NOT NULL,
    UNIQUE (receipt, neighbour)
);
CREATE INDEX attachments_due ON attachments (neighbour, not_before);
CREATE INDEX attachments_old ON attachments (queued_at);

-- How far this node's log was gone through for receipts. Those of before this version get no proof.
CREATE TABLE attach_mark (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    entry_index INTEGER NOT NULL
);
INSERT INTO attach_mark SELECT 1, coalesce(max(entry_index) + 1, 0) FROM entries;

CREATE TRIGGER proofs_go AFTER DELETE ON receipts BEGIN
    DELETE FROM receipt_proofs WHERE receipt = old.digest;
    DELETE FROM attachments WHERE receipt = old.digest;
END;

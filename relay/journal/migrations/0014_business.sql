-- Documents' business: what statuses say of a delivery, and what its recipient is asked to do with it.

-- Which deliveries of documents a status speaks of: one for a recipient's own, many for a 13 to all.
CREATE TABLE report_matches (
    report_row   INTEGER NOT NULL REFERENCES reports (message_row),
    delivery_row INTEGER NOT NULL REFERENCES deliveries (delivery_row),
    PRIMARY KEY (report_row, delivery_row)
) WITHOUT ROWID;
CREATE INDEX report_matches_of ON report_matches (delivery_row);
INSERT INTO report_matches
SELECT r.message_row, d.delivery_row FROM reports r
JOIN deliveries d ON d.message_row = r.matched_row AND d.recipient IN (r.sender, r.organ_id);

-- The business state of a delivery (lifecycle.advance), beside the state of its transport.
CREATE TABLE business (
    delivery_row INTEGER PRIMARY KEY REFERENCES deliveries (delivery_row),
    state        TEXT NOT NULL DEFAULT 'none',
    obligation   TEXT                          -- where the newest obligation about it stands
);
INSERT INTO business (delivery_row, state)
SELECT m.delivery_row,
    CASE max(iif(r.sender = d.recipient, CAST(r.status_code AS INTEGER), 0))
        WHEN 1 THEN 'arrived' WHEN 2 THEN 'refused' WHEN 3 THEN 'accepted' WHEN 4 THEN 'assigned'
        WHEN 5 THEN 'in-progress' WHEN 6 THEN 'completed' ELSE 'none' END
FROM report_matches m JOIN reports r ON r.message_row = m.report_row
JOIN deliveries d ON d.delivery_row = m.delivery_row
WHERE CAST(r.status_code AS INTEGER) BETWEEN 1 AND 6 GROUP BY m.delivery_row;

-- What a message (`cause`) asks of one agency about a document that was sent to it. `delivery_row` is the
-- document's, NULL until it is known here; `verdict` what is proven, `answer` what the agency says.
-- AUTOINCREMENT: the number is a cursor and is never given twice.
CREATE TABLE obligations (
    obligation_row     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind               TEXT NOT NULL,
    cause_row          INTEGER NOT NULL REFERENCES messages (message_row),
    cause_id           TEXT NOT NULL,
    cause_origin       TEXT NOT NULL,
    cause_digest       TEXT NOT NULL,
    cause_delivery_row INTEGER,                -- NULL where the cause does not go to this agency
    sender             TEXT NOT NULL,
    recipient          TEXT NOT NULL,
    document_id        TEXT NOT NULL,
    notation           TEXT NOT NULL,
    promulgation_date  TEXT NOT NULL,
    delivery_row       INTEGER,
    ours               INTEGER NOT NULL,       -- 1: one of its two agencies is served here
    verdict            TEXT NOT NULL DEFAULT 'requested',
    answer             TEXT,
    state              TEXT NOT NULL DEFAULT 'requested',
    asked_at           INTEGER NOT NULL,
    due_at             INTEGER NOT NULL,
    settled_at         INTEGER,
    told               INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX obligations_once
    ON obligations (cause_digest, recipient, kind, document_id, coalesce(delivery_row, 0));
CREATE INDEX obligations_of ON obligations (delivery_row) WHERE delivery_row IS NOT NULL;
CREATE INDEX obligations_by_cause ON obligations (cause_delivery_row) WHERE cause_delivery_row IS NOT NULL;
CREATE INDEX obligations_by_document ON obligations (document_id, sender, recipient);
CREATE INDEX obligations_by_notation ON obligations (notation, promulgation_date, sender);
CREATE INDEX obligations_due ON obligations (due_at)
    WHERE told = 0 AND ours = 1 AND state IN ('requested', 'destruction-asked');

-- Decided in the transaction that found it out; the receipt that says so is signed afterwards.
CREATE TABLE verdicts (
    delivery_row INTEGER PRIMARY KEY REFERENCES deliveries (delivery_row),
    reason       TEXT NOT NULL
);

-- Agencies served here for which the node says a status 01 (kept as the configuration has it), and
-- what of theirs was acknowledged and not told of yet.
CREATE TABLE arrived_for (agency TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE arrived (delivery_row INTEGER PRIMARY KEY REFERENCES deliveries (delivery_row));
CREATE TRIGGER arrived_when_acknowledged AFTER UPDATE OF acknowledgement ON deliveries
WHEN new.acknowledgement = 'done' AND new.next_hop IS NULL
    AND EXISTS (SELECT 1 FROM arrived_for WHERE agency = new.recipient)
BEGIN
    INSERT OR IGNORE INTO arrived SELECT new.delivery_row FROM messages m
    WHERE m.message_row = new.message_row AND m.message_type = 'edoc';
END;

CREATE TRIGGER business_goes AFTER DELETE ON deliveries BEGIN
    DELETE FROM report_matches WHERE delivery_row = old.delivery_row;
    DELETE FROM business WHERE delivery_row = old.delivery_row;
    DELETE FROM verdicts WHERE delivery_row = old.delivery_row;
    DELETE FROM arrived WHERE delivery_row = old.delivery_row;
    DELETE FROM obligations WHERE delivery_row = old.delivery_row;
    DELETE FROM obligations WHERE cause_delivery_row = old.delivery_row;
END;
CREATE TRIGGER report_matches_go AFTER DELETE ON reports BEGIN
    DELETE FROM report_matches WHERE report_row = old.message_row;
END;
CREATE TRIGGER obligations_go AFTER DELETE ON messages BEGIN
    DELETE FROM obligations WHERE cause_row = old.message_row;
END;
CREATE INDEX obligations_cause ON obligations (cause_row);

-- What statistics need of each delivery of a document, in a row of its own that outlives message and delivery
-- (docs/statistics.md, docs/adr/0033-a-row-that-outlives-its-delivery.md). Nothing here names a person or
-- quotes a document. `day` is the local one (UTC+7) on which this node accepted the message, in days since
-- 1970: rows of a period stand together, and are made and read in that order.
CREATE TABLE figures (
    day           INTEGER NOT NULL,
    delivery_row  INTEGER NOT NULL,
    sender        TEXT NOT NULL,
    recipient     TEXT NOT NULL,
    heads         INTEGER NOT NULL,  -- 1 in one delivery of each document, by which documents are counted
    kept          INTEGER NOT NULL,  -- 0: it came before headers were kept; type, paper and due date are unknown
    document_type TEXT,              -- a word of envelope/document_types.py
    paper         INTEGER,           -- Paper as stated: 1 a paper copy follows, 0 none; NULL: not stated
    issued_day    INTEGER,           -- PromulgationDate
    due_day       INTEGER,           -- DueDate
    handed_at     INTEGER,           -- when it was handed in at its origin; NULL where it came over a bridge
    received_at   INTEGER,           -- when it was put at its recipient's disposal
    ended         TEXT,              -- refused, expired, cancelled, taken-back: where it stands, if there
    said_01       INTEGER,           -- when the recipient's first status of that code came here
    said_02       INTEGER,
    said_03       INTEGER,
    said_06       INTEGER,
    PRIMARY KEY (day, delivery_row)
) WITHOUT ROWID;

CREATE TRIGGER figures_of_settled AFTER UPDATE OF state ON deliveries
WHEN (new.state IN ('available', 'fetched', 'handed-over') AND old.state NOT IN ('available', 'fetched', 'handed-over'))
    OR new.state IN ('refused', 'expired', 'cancelled', 'taken-back')
    OR old.state IN ('refused', 'expired', 'cancelled', 'taken-back')
BEGIN
    UPDATE figures
    SET ended = iif(new.state IN ('refused', 'expired', 'cancelled', 'taken-back'), new.state, NULL),
        received_at = iif(new.state IN ('available', 'fetched', 'handed-over'),
            coalesce(received_at, new.available_at, new.settled_at, new.updated_at), received_at)
    WHERE delivery_row = new.delivery_row
      AND day = (SELECT (accepted_at + 25200000) / 86400000 FROM messages WHERE message_row = new.message_row);
END;

-- The same of what recipients are asked to do with documents that are known here.
CREATE TABLE figures_asked (
    day            INTEGER NOT NULL,  -- of the document
    delivery_row   INTEGER NOT NULL,
    obligation_row INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    state          TEXT NOT NULL,
    due_at         INTEGER NOT NULL,
    settled_at     INTEGER,
    PRIMARY KEY (day, delivery_row, obligation_row)
) WITHOUT ROWID;

CREATE TRIGGER figures_of_asked AFTER INSERT ON obligations WHEN new.delivery_row IS NOT NULL
BEGIN
    INSERT INTO figures_asked
    SELECT (m.accepted_at + 25200000) / 86400000, new.delivery_row, new.obligation_row, new.kind, new.state,
        new.due_at, new.settled_at
    FROM deliveries d JOIN messages m ON m.message_row = d.message_row WHERE d.delivery_row = new.delivery_row
    ON CONFLICT DO UPDATE SET state = excluded.state, settled_at = excluded.settled_at;
END;
CREATE TRIGGER figures_of_answered AFTER UPDATE OF delivery_row, state, settled_at ON obligations
WHEN new.delivery_row IS NOT NULL
BEGIN
    INSERT INTO figures_asked
    SELECT (m.accepted_at + 25200000) / 86400000, new.delivery_row, new.obligation_row, new.kind, new.state,
        new.due_at, new.settled_at
    FROM deliveries d JOIN messages m ON m.message_row = d.message_row WHERE d.delivery_row = new.delivery_row
    ON CONFLICT DO UPDATE SET state = excluded.state, settled_at = excluded.settled_at;
END;

-- What is here already: all that the journal knows of it. The header's words were not kept; a date of issue
-- was, and counts where it is written as edXML writes dates and is a day that exists.
INSERT INTO figures
SELECT (m.accepted_at + 25200000) / 86400000, d.delivery_row, m.sender, d.recipient,
    m.first_row IS NULL AND d.delivery_row = (SELECT min(o.delivery_row) FROM deliveries o WHERE o.message_row = m.message_row),
    0, NULL, NULL,
    iif(substr(m.promulgation_date, 1, 10) GLOB '[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]'
            AND date(replace(substr(m.promulgation_date, 1, 10), '/', '-'), '+0 days')
                = replace(substr(m.promulgation_date, 1, 10), '/', '-'),
        CAST(strftime('%s', replace(substr(m.promulgation_date, 1, 10), '/', '-')) AS INTEGER) / 86400, NULL),
    NULL,
    iif(m.submitted_by IS NOT NULL AND m.submitted_by NOT GLOB 'bridge:*', m.accepted_at, NULL),
    iif(d.state IN ('available', 'fetched', 'handed-over'),
        coalesce(d.available_at, d.settled_at, d.updated_at), d.available_at),
    iif(d.state IN ('refused', 'expired', 'cancelled', 'taken-back'), d.state, NULL),
    NULL, NULL, NULL, NULL
FROM messages m JOIN deliveries d ON d.message_row = m.message_row
WHERE m.message_type = 'edoc'
ORDER BY 1, 2;

UPDATE figures SET (said_01, said_02, said_03, said_06) = (
    SELECT min(iif(CAST(r.status_code AS INTEGER) = 1, s.accepted_at, NULL)),
        min(iif(CAST(r.status_code AS INTEGER) = 2, s.accepted_at, NULL)),
        min(iif(CAST(r.status_code AS INTEGER) = 3, s.accepted_at, NULL)),
        min(iif(CAST(r.status_code AS INTEGER) = 6, s.accepted_at, NULL))
    FROM report_matches x JOIN reports r ON r.message_row = x.report_row
    JOIN messages s ON s.message_row = r.message_row
    WHERE x.delivery_row = figures.delivery_row AND r.sender = figures.recipient)
WHERE delivery_row IN (SELECT delivery_row FROM report_matches);

INSERT INTO figures_asked
SELECT (m.accepted_at + 25200000) / 86400000, o.delivery_row, o.obligation_row, o.kind, o.state, o.due_at, o.settled_at
FROM obligations o JOIN deliveries d ON d.delivery_row = o.delivery_row
JOIN messages m ON m.message_row = d.message_row
ORDER BY 1, 2, 3;

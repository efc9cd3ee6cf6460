-- What statistics need of documents and has nowhere else to stand, and what stays of deliveries when they leave
-- (docs/statistics.md, docs/adr/0033-figures-are-read-where-they-stand.md). Nothing here names a person or quotes
-- a document. `day` is the local one (UTC+7) on which this node accepted the message, in days since 1970.

-- Written once, with the message, and never again: documents of a period stand together, in the order they came.
CREATE TABLE figure_documents (
    day           INTEGER NOT NULL,
    message_row   INTEGER NOT NULL,
    sender        TEXT NOT NULL,
    counts        INTEGER NOT NULL,  -- 0: handed in before, and refused; its deliveries count
    kept          INTEGER NOT NULL,  -- 0: it came before headers were kept; type, paper and due date are unknown
    document_type TEXT,              -- a word of envelope/document_types.py
    paper         INTEGER,           -- Paper as stated: 1 a paper copy follows, 0 none; NULL: not stated
    issued_day    INTEGER,           -- PromulgationDate
    due_day       INTEGER,           -- DueDate
    handed_at     INTEGER,           -- when it was handed in at its origin; NULL where it came over a bridge
    PRIMARY KEY (day, message_row)
) WITHOUT ROWID;

-- When a delivery was first put at its recipient's disposal elsewhere, and when the recipient's first status
-- of a code came here. Both are written where the state itself is, by the same statement.
ALTER TABLE deliveries ADD COLUMN reached_at INTEGER;
ALTER TABLE business ADD COLUMN said_01 INTEGER;
ALTER TABLE business ADD COLUMN said_02 INTEGER;
ALTER TABLE business ADD COLUMN said_03 INTEGER;
ALTER TABLE business ADD COLUMN said_06 INTEGER;

CREATE VIEW figures_here AS
SELECT d.message_row, d.delivery_row, d.recipient,
    coalesce(d.available_at, d.reached_at, iif(d.state IN ('available', 'fetched', 'handed-over'),
        coalesce(d.settled_at, d.updated_at), NULL)) AS received_at,
    iif(d.state IN ('refused', 'expired', 'cancelled', 'taken-back'), d.state, NULL) AS ended,
    b.said_01, b.said_02, b.said_03, b.said_06
FROM deliveries d LEFT JOIN business b ON b.delivery_row = d.delivery_row;

-- What figures_here said when the delivery left the journal, whoever removed it.
CREATE TABLE figure_deliveries (
    message_row  INTEGER NOT NULL,
    delivery_row INTEGER NOT NULL,
    recipient    TEXT NOT NULL,
    received_at  INTEGER,
    ended        TEXT,
    said_01      INTEGER,
    said_02      INTEGER,
    said_03      INTEGER,
    said_06      INTEGER,
    PRIMARY KEY (message_row, delivery_row)
) WITHOUT ROWID;
CREATE TRIGGER figures_stay BEFORE DELETE ON deliveries
WHEN coalesce((SELECT message_type FROM messages WHERE message_row = old.message_row), 'edoc') = 'edoc'
BEGIN
    INSERT OR REPLACE INTO figure_deliveries SELECT * FROM figures_here WHERE delivery_row = old.delivery_row;
END;

-- The same of what recipients were asked to do with documents that were known here.
CREATE TABLE figure_requests (
    delivery_row   INTEGER NOT NULL,  -- of the document
    obligation_row INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    state          TEXT NOT NULL,
    due_at         INTEGER NOT NULL,
    settled_at     INTEGER,
    PRIMARY KEY (delivery_row, obligation_row)
) WITHOUT ROWID;
CREATE TRIGGER figures_of_asked_stay BEFORE DELETE ON obligations WHEN old.delivery_row IS NOT NULL
BEGIN
    INSERT OR REPLACE INTO figure_requests VALUES
        (old.delivery_row, old.obligation_row, old.kind, old.state, old.due_at, old.settled_at);
END;

-- What is here already: all that the journal knows of it. The header's words were not kept; a date of issue
-- was, and counts where it is written as edXML writes dates and is a day that exists.
INSERT INTO figure_documents
SELECT (accepted_at + 25200000) / 86400000, message_row, sender, first_row IS NULL, 0, NULL, NULL,
    iif(substr(promulgation_date, 1, 10) GLOB '[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]'
            AND date(replace(substr(promulgation_date, 1, 10), '/', '-'), '+0 days')
                = replace(substr(promulgation_date, 1, 10), '/', '-'),
        CAST(strftime('%s', replace(substr(promulgation_date, 1, 10), '/', '-')) AS INTEGER) / 86400, NULL),
    NULL, iif(submitted_by IS NOT NULL AND submitted_by NOT GLOB 'bridge:*', accepted_at, NULL)
FROM messages WHERE message_type = 'edoc'
ORDER BY 1, 2;

INSERT INTO business (delivery_row, said_01, said_02, said_03, said_06)
SELECT x.delivery_row,
    min(iif(CAST(r.status_code AS INTEGER) = 1, s.accepted_at, NULL)),
    min(iif(CAST(r.status_code AS INTEGER) = 2, s.accepted_at, NULL)),
    min(iif(CAST(r.status_code AS INTEGER) = 3, s.accepted_at, NULL)),
    min(iif(CAST(r.status_code AS INTEGER) = 6, s.accepted_at, NULL))
FROM report_matches x JOIN reports r ON r.message_row = x.report_row
JOIN messages s ON s.message_row = r.message_row
JOIN deliveries d ON d.delivery_row = x.delivery_row AND d.recipient = r.sender
WHERE CAST(r.status_code AS INTEGER) IN (1, 2, 3, 6) GROUP BY x.delivery_row
ON CONFLICT (delivery_row) DO UPDATE SET said_01 = excluded.said_01, said_02 = excluded.said_02,
    said_03 = excluded.said_03, said_06 = excluded.said_06;

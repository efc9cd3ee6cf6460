-- How much waits of what each system, token and neighbour handed in, kept right by triggers whoever
-- moves a delivery. A party's row is made by who admits its first delivery (journal/waiting.py).
-- `share_bytes` is a message's size shared out among the recipients it came for.
ALTER TABLE deliveries ADD COLUMN party TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN share_bytes INTEGER NOT NULL DEFAULT 0;

UPDATE deliveries
SET party = CASE WHEN a.neighbour IS NULL THEN 'caller:' || coalesce(m.submitted_by, '')
                 ELSE 'node:' || a.neighbour END,
    share_bytes = m.size_bytes / n.recipients
FROM messages m, arrivals a,
    (SELECT arrival_row, count(*) AS recipients FROM deliveries GROUP BY arrival_row) n
WHERE deliveries.state IN ('sealing', 'queued', 'in-flight', 'in-doubt', 'held')
  AND m.message_row = deliveries.message_row AND a.arrival_row = deliveries.arrival_row
  AND n.arrival_row = deliveries.arrival_row;

CREATE TABLE waiting (
    party      TEXT PRIMARY KEY,
    deliveries INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO waiting
SELECT party, count(*), sum(share_bytes) FROM deliveries
WHERE state IN ('sealing', 'queued', 'in-flight', 'in-doubt', 'held') GROUP BY party;

-- Comparisons one by one: a list after IN would be made into a table at every firing.
CREATE TRIGGER deliveries_begin_to_wait AFTER INSERT ON deliveries
WHEN (NEW.state = 'queued' OR NEW.state = 'in-flight' OR NEW.state = 'in-doubt' OR NEW.state = 'sealing' OR NEW.state = 'held')
BEGIN
    UPDATE waiting SET deliveries = deliveries + 1, size_bytes = size_bytes + NEW.share_bytes
    WHERE party = NEW.party;
END;
CREATE TRIGGER deliveries_end_to_wait AFTER UPDATE OF state ON deliveries
WHEN (OLD.state = 'queued' OR OLD.state = 'in-flight' OR OLD.state = 'in-doubt' OR OLD.state = 'sealing' OR OLD.state = 'held')
    <> (NEW.state = 'queued' OR NEW.state = 'in-flight' OR NEW.state = 'in-doubt' OR NEW.state = 'sealing' OR NEW.state = 'held')
BEGIN
    UPDATE waiting
    SET deliveries = deliveries + iif(NEW.state = 'queued' OR NEW.state = 'in-flight' OR NEW.state = 'in-doubt' OR NEW.state = 'sealing' OR NEW.state = 'held', 1, -1),
        size_bytes = size_bytes + iif(NEW.state = 'queued' OR NEW.state = 'in-flight' OR NEW.state = 'in-doubt' OR NEW.state = 'sealing' OR NEW.state = 'held', 1, -1) * NEW.share_bytes
    WHERE party = NEW.party;
END;
CREATE TRIGGER deliveries_forgotten AFTER DELETE ON deliveries
WHEN (OLD.state = 'queued' OR OLD.state = 'in-flight' OR OLD.state = 'in-doubt' OR OLD.state = 'sealing' OR OLD.state = 'held')
BEGIN
    UPDATE waiting SET deliveries = deliveries - 1, size_bytes = size_bytes - OLD.share_bytes
    WHERE party = OLD.party;
END;

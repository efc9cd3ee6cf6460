-- What a system sent, by what became of it: the rare ones among a million are found by an index, not by a
-- walk over the others. NULL where the message was not handed in here.
ALTER TABLE deliveries ADD COLUMN sent_by TEXT;
ALTER TABLE deliveries ADD COLUMN sent_kind TEXT;
ALTER TABLE deliveries ADD COLUMN sent_at INTEGER;
UPDATE deliveries SET sent_by = m.sender, sent_kind = m.message_type, sent_at = m.accepted_at
FROM messages m WHERE m.message_row = deliveries.message_row AND m.submitted_by IS NOT NULL;
DROP INDEX deliveries_under_way;
DROP INDEX deliveries_failed;
CREATE INDEX deliveries_sent ON deliveries (sent_by, sent_kind, state, sent_at, message_row)
    WHERE sent_by IS NOT NULL;

-- Statuses are few among documents: a list of one kind does not walk the other.
DROP INDEX messages_by_sender;
CREATE INDEX messages_by_sender ON messages (sender, message_type, accepted_at, message_row)
    WHERE submitted_by IS NOT NULL;

-- How often a recipient's system put it back: its sender is told a few times, not at each attempt of a loop.
ALTER TABLE deliveries ADD COLUMN put_backs INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET put_backs = 1 WHERE acknowledgement = 'fail';

-- Take-backs that came in over a bridge and are settled: the remote is told by a status 15 of the node's
-- (delivery/bridges/answering.py), for nothing else tells who is beyond it.
CREATE TABLE answers_due (obligation_row INTEGER PRIMARY KEY);
CREATE TRIGGER answer_due AFTER UPDATE OF state ON obligations
WHEN new.kind = 'take-back' AND new.state IN ('taken-back', 'not-delivered') AND old.state <> new.state
    AND EXISTS (SELECT 1 FROM messages WHERE message_row = new.cause_row AND submitted_by GLOB 'bridge:*')
BEGIN
    INSERT OR IGNORE INTO answers_due VALUES (new.obligation_row);
END;
CREATE TRIGGER answer_due_goes AFTER DELETE ON obligations BEGIN
    DELETE FROM answers_due WHERE obligation_row = old.obligation_row;
END;

-- Where systems' secrets held, and where they were guessed at too often: known again after a start
-- (transport/axis/lockout.py), so that neither guessers nor true clients begin anew with it.
CREATE TABLE system_sites (
    systemid     TEXT NOT NULL,
    site         TEXT NOT NULL,           -- an address, or the network of an IPv6 one
    proven       INTEGER NOT NULL,
    locked_until INTEGER,                 -- NULL: not locked
    PRIMARY KEY (systemid, site)
) WITHOUT ROWID;

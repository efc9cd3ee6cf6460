-- A document may name one agency by both forms of its code, where its origin did not know that both are one. Each is a
-- delivery, for receipts speak of both; one of them is listed, and the others go as it goes (twins.py).
ALTER TABLE deliveries ADD COLUMN listed_with INTEGER; -- the delivery_row of that one
CREATE INDEX deliveries_listed_with ON deliveries (listed_with) WHERE listed_with IS NOT NULL;

DROP TRIGGER arrived_when_acknowledged;
CREATE TRIGGER arrived_when_acknowledged AFTER UPDATE OF acknowledgement ON deliveries
WHEN new.acknowledgement = 'done' AND new.next_hop IS NULL AND new.listed_with IS NULL
    AND EXISTS (SELECT 1 FROM arrived_for WHERE agency = new.recipient)
BEGIN
    INSERT OR IGNORE INTO arrived SELECT new.delivery_row FROM messages m
    WHERE m.message_row = new.message_row AND m.message_type = 'edoc';
END;

-- The way back and the seal have lanes, too. What is above the normal one is found without a look at the rest.
CREATE INDEX transfers_ahead ON transfers (neighbour, lane DESC, not_before) WHERE open = 1 AND lane > 0;
ALTER TABLE returns ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
UPDATE returns SET lane = coalesce((SELECT (m.priority > 0) + (m.priority > 2) FROM receipts c
    JOIN messages m ON m.message_row = c.message_row WHERE c.digest = returns.receipt), 0);
CREATE INDEX returns_ahead ON returns (neighbour, lane DESC, return_row) WHERE parked = 0 AND lane > 0;
CREATE INDEX deliveries_sealing_ahead ON deliveries (lane DESC, message_row) WHERE state = 'sealing' AND lane > 0;

-- What operators do to deliveries. From here on transfers.open is 1 until answered or given up, 0 from
-- then on, and 2 while a delivery of it is held: then it is not repeated.

CREATE INDEX deliveries_held ON deliveries (next_hop, delivery_row) WHERE state = 'held';
CREATE INDEX deliveries_unknown ON deliveries (next_hop, delivery_row)
    WHERE state = 'expired' AND reason = 'outcome-unknown';
CREATE INDEX transfers_paused ON transfers (neighbour) WHERE open = 2;
CREATE INDEX returns_parked ON returns (neighbour) WHERE parked = 1;

-- The last thing an operator did to a delivery, so that whoever asks why it waits is told. The proof of
-- it, and of all before it, is in the log.
CREATE TABLE interventions (
    delivery_row INTEGER PRIMARY KEY REFERENCES deliveries (delivery_row),
    action       TEXT NOT NULL,
    done_by      TEXT NOT NULL,
    why          TEXT NOT NULL,
    at           INTEGER NOT NULL
);
CREATE TRIGGER interventions_go AFTER DELETE ON deliveries BEGIN
    DELETE FROM interventions WHERE delivery_row = old.delivery_row;
END;

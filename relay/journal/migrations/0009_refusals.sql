-- Documents handed in here whose delivery ended badly, until their sender was told by a status (where
-- the node is set to do so).
CREATE TABLE refusals (
    delivery_row INTEGER PRIMARY KEY REFERENCES deliveries (delivery_row)
);
CREATE TRIGGER refusals_of_admitted AFTER INSERT ON deliveries
WHEN new.state IN ('refused', 'expired')
BEGIN
    INSERT OR IGNORE INTO refusals SELECT new.delivery_row FROM messages m
    WHERE m.message_row = new.message_row AND m.submitted_by IS NOT NULL AND m.message_type = 'edoc';
END;
CREATE TRIGGER refusals_of_settled AFTER UPDATE OF state ON deliveries
WHEN new.state IN ('refused', 'expired') AND old.state NOT IN ('refused', 'expired')
BEGIN
    INSERT OR IGNORE INTO refusals SELECT new.delivery_row FROM messages m
    WHERE m.message_row = new.message_row AND m.submitted_by IS NOT NULL AND m.message_type = 'edoc';
END;
CREATE TRIGGER refusals_go AFTER DELETE ON deliveries BEGIN
    DELETE FROM refusals WHERE delivery_row = old.delivery_row;
END;

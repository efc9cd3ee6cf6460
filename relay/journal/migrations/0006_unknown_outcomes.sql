-- Transfers given up without an answer (open = -1): asked about again when the neighbour shows life.
CREATE INDEX transfers_unknown ON transfers (neighbour) WHERE open = -1;
UPDATE transfers SET open = -1 WHERE open = 0 AND answer IS NULL AND EXISTS
    (SELECT 1 FROM deliveries d WHERE d.message_row = transfers.message_row
       AND d.transfer_id = transfers.transfer_id AND d.state = 'expired' AND d.reason = 'outcome-unknown');

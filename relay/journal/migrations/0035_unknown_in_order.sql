-- What is of unknown outcome is asked about in the order of the transfers' ids, a page at a time.
DROP INDEX transfers_unknown;
CREATE INDEX transfers_unknown ON transfers (neighbour, transfer_id) WHERE open = -1;

-- Transfers that were opened again for a restored neighbour, and since when: whatever becomes of it, they
-- do not stay open, and their payloads kept, for ever.
CREATE TABLE reopened (
    transfer_id TEXT PRIMARY KEY,
    at          INTEGER NOT NULL
) WITHOUT ROWID;

-- The message that brought a payload: until retention has passed it, it needs the payload without being
-- written down as its user. (Of payloads from before this release it is not known.)
ALTER TABLE payloads ADD COLUMN brought_by INTEGER;

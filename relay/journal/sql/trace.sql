-- name: entries
-- By the index of migration 0029; its expressions stand here to the letter.
SELECT entry_index, leaf FROM entries
WHERE instr(leaf, x'226d657373616765223a22') > 0
  AND substr(leaf, instr(leaf, x'226d657373616765223a22') + 11, 36) = CAST(?1 AS BLOB)
ORDER BY entry_index LIMIT ?2

-- name: deliveries
SELECT d.delivery_id, d.updated_at, d.arrival_row FROM deliveries d JOIN messages m ON m.message_row = d.message_row
WHERE m.message_id = ?1 AND m.origin = ?2

-- name: arrivals
SELECT a.arrival_row, a.neighbour, a.transfer_id, a.trace, a.at
FROM arrivals a JOIN messages m ON m.message_row = a.message_row
WHERE m.message_id = ?1 AND m.origin = ?2

-- name: signatures
SELECT r.digest, r.signature FROM receipts r JOIN messages m ON m.message_row = r.message_row
WHERE m.message_id = ?1 AND m.origin = ?2 ORDER BY r.rowid LIMIT ?3

-- name: passages
SELECT p.leaf FROM receipts r JOIN messages m ON m.message_row = r.message_row CROSS JOIN passages p ON p.receipt = r.digest
WHERE m.message_id = ?1 AND m.origin = ?2 ORDER BY p.told_at DESC LIMIT ?3

-- name: seal
SELECT seal FROM messages WHERE message_id = ?1 AND origin = ?2

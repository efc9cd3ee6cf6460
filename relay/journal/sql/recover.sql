-- name: count_early
SELECT count(*) FROM early_receipts

-- name: keep_early
INSERT INTO early_receipts (digest, message_id, origin, neighbour, document, signature)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING

-- name: early_of
SELECT early_row, neighbour, document, signature FROM early_receipts
WHERE message_id = ? AND origin = ? ORDER BY early_row

-- name: early_here
-- Messages that are here and have receipts kept for them.
SELECT DISTINCT m.message_row, m.message_id, m.origin FROM early_receipts e
JOIN messages m ON m.message_id = e.message_id AND m.origin = e.origin LIMIT 200

-- name: early_all
SELECT digest, message_id, neighbour FROM early_receipts ORDER BY early_row LIMIT 200

-- name: progress
SELECT neighbour, step, cursor, documents, receipts, transfers, missing, done_at, by_whom, why
FROM recovery ORDER BY neighbour

-- name: expect
INSERT INTO recovery (neighbour, step) VALUES (?, 'receipts') ON CONFLICT (neighbour) DO NOTHING

-- name: step
UPDATE recovery SET step = ?2, cursor = NULL, done_at = ?3 WHERE neighbour = ?1 AND done_at IS NULL

-- name: reminded
UPDATE recovery SET step = ?2, cursor = ?3, receipts = receipts + ?4, transfers = transfers + ?5,
    missing = missing + ?6
WHERE neighbour = ?1 AND step = 'asking'

-- name: want
INSERT INTO recovery_wanted VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: wanted
SELECT transfer_id FROM recovery_wanted WHERE neighbour = ? ORDER BY transfer_id LIMIT ?

-- name: fetched
DELETE FROM recovery_wanted WHERE neighbour = ? AND transfer_id = ?

-- name: count
UPDATE recovery SET documents = documents + ?2, missing = missing + ?3 WHERE neighbour = ?1

-- name: skip
UPDATE recovery SET step = 'skipped', cursor = NULL, done_at = ?2, by_whom = ?3, why = ?4 WHERE neighbour = ?1

-- name: totals
SELECT coalesce(sum(documents), 0), coalesce(sum(receipts), 0), coalesce(sum(transfers), 0),
    coalesce(sum(missing), 0), coalesce(sum(step = 'skipped'), 0), coalesce(sum(done_at IS NULL), 0) FROM recovery

-- name: knows
SELECT EXISTS (SELECT 1 FROM receipts WHERE digest = ?1) OR EXISTS (SELECT 1 FROM early_receipts WHERE digest = ?1)
    OR EXISTS (SELECT 1 FROM lost_documents WHERE digest = ?1) OR EXISTS (SELECT 1 FROM transfers WHERE transfer_id = ?2)

-- name: here
SELECT m.message_row, m.digest, a.arrival_row FROM messages m JOIN arrivals a ON a.message_row = m.message_row
WHERE m.message_id = ? AND m.origin = ? ORDER BY a.arrival_row LIMIT 1

-- name: leaves_before
SELECT entry_index, leaf FROM entries WHERE entry_index < ? ORDER BY entry_index DESC LIMIT 500

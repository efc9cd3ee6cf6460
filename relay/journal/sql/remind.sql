-- What was exchanged with a neighbour since an instant left a receipt stored since then. So each page is
-- a window of receipts in the order they were stored, the newest first, and costs the same whatever
-- else the journal holds. CROSS JOIN keeps SQLite at that order: else it may walk all of a neighbour's.

-- name: window
-- The lowest row of the page, how many it has, and when the newest of them was stored.
SELECT min(row), count(*), max(stored_at) FROM
    (SELECT rowid AS row, stored_at FROM receipts WHERE rowid < ? ORDER BY rowid DESC LIMIT ?)

-- name: reopen
-- Transfers to the neighbour that it answered, of which it took something over. What is held (2) or was
-- given up unanswered (-1) stays so.
UPDATE transfers SET open = 1, not_before = :at WHERE open = 0 AND transfer_id IN
    (SELECT t.transfer_id FROM receipts r CROSS JOIN transfers t ON t.message_row = r.message_row AND t.answer = r.digest
     JOIN messages m ON m.message_row = t.message_row
     WHERE r.rowid >= :low AND r.rowid < :high AND r.stored_at >= :since AND r.issuer = :neighbour
       AND t.neighbour = :neighbour AND m.seal IS NOT NULL
       AND EXISTS (SELECT 1 FROM payloads p WHERE p.digest = m.digest)
       AND EXISTS (SELECT 1 FROM deliveries d WHERE d.message_row = t.message_row AND d.transfer_id = t.transfer_id
                   AND d.state IN ('relayed', 'available', 'fetched', 'handed-over', 'taken-back')))
RETURNING message_row, transfer_id

-- name: reopened
INSERT INTO reopened VALUES (?, ?) ON CONFLICT (transfer_id) DO UPDATE SET at = excluded.at

-- name: gone
SELECT count(*) FROM receipts r CROSS JOIN transfers t ON t.message_row = r.message_row AND t.answer = r.digest
JOIN messages m ON m.message_row = t.message_row
WHERE r.rowid >= :low AND r.rowid < :high AND r.stored_at >= :since AND r.issuer = :neighbour
  AND t.neighbour = :neighbour AND NOT EXISTS (SELECT 1 FROM payloads p WHERE p.digest = m.digest)

-- name: return_again
-- Receipts about messages that came from the neighbour, those that it refused before, too.
INSERT INTO returns (neighbour, receipt, lane)
SELECT :neighbour, r.digest, coalesce((SELECT (m.priority > 0) + (m.priority > 2) FROM messages m WHERE m.message_row = r.message_row), 0)
FROM receipts r
WHERE r.rowid >= :low AND r.rowid < :high AND r.stored_at >= :since AND r.issuer <> :neighbour
  AND EXISTS (SELECT 1 FROM arrivals a WHERE a.message_row = r.message_row AND a.neighbour = :neighbour)
ORDER BY r.rowid
ON CONFLICT (neighbour, receipt) DO UPDATE SET parked = 0

-- name: attach_again
-- And the proofs that follow those: its own, whose entry is looked for when it goes, and what came from further on.
INSERT INTO attachments (receipt, neighbour, entry_index, not_before, queued_at)
SELECT r.digest, :neighbour, NULL, :at, :at FROM receipts r
WHERE r.rowid >= :low AND r.rowid < :high AND r.stored_at >= :since AND r.issuer <> :neighbour
  AND EXISTS (SELECT 1 FROM arrivals a WHERE a.message_row = r.message_row AND a.neighbour = :neighbour)
  AND (r.issuer = :here OR EXISTS (SELECT 1 FROM receipt_proofs p WHERE p.receipt = r.digest))
ORDER BY r.rowid
ON CONFLICT (receipt, neighbour, about) DO NOTHING

-- name: sent
-- Transfers that came from the neighbour with messages of its own, by their answers.
SELECT DISTINCT a.transfer_id FROM receipts r
CROSS JOIN arrivals a ON a.message_row = r.message_row AND a.receipt = r.digest
CROSS JOIN messages m ON m.message_row = a.message_row
WHERE r.rowid >= :low AND r.rowid < :high AND r.stored_at >= :since
  AND a.neighbour = :neighbour AND m.origin = :neighbour

-- name: own_receipts
-- What the neighbour stated of messages that were sent to it, its answers apart.
SELECT r.document, r.signature FROM receipts r
WHERE r.rowid >= :low AND r.rowid < :high AND r.stored_at >= :since AND r.issuer = :neighbour
  AND EXISTS (SELECT 1 FROM transfers t WHERE t.message_row = r.message_row AND t.neighbour = :neighbour)
  AND NOT EXISTS (SELECT 1 FROM transfers t WHERE t.message_row = r.message_row AND t.answer = r.digest)
ORDER BY r.rowid

-- name: newest_receipt
SELECT document, signature FROM receipts WHERE rowid =
    (SELECT max(row) FROM (SELECT rowid AS row, issuer FROM receipts ORDER BY rowid DESC LIMIT 2000)
     WHERE issuer = ?)

-- name: newest_transfer
SELECT header, signature FROM arrivals WHERE neighbour = ? ORDER BY transfer_id DESC LIMIT 1

-- name: as_it_came
SELECT a.header, a.signature, m.seal_kind, m.seal, m.digest FROM arrivals a
JOIN messages m ON m.message_row = a.message_row
WHERE a.neighbour = ? AND a.transfer_id = ? AND m.seal IS NOT NULL
  AND EXISTS (SELECT 1 FROM payloads p WHERE p.digest = m.digest)

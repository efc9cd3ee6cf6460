-- name: freeze_delivery
UPDATE deliveries SET state = 'in-flight', transfer_id = ?1, updated_at = ?2
WHERE delivery_row = ?3 AND state = 'queued' AND transfer_id IS NULL AND next_hop = ?4

-- name: add_transfer
INSERT INTO transfers (transfer_id, neighbour, message_row, header, signature, lane, open, attempts, not_before, created_at)
VALUES (?, ?, ?, ?, ?, ?, 1, 0, ?, ?)

-- name: transfer
SELECT t.message_row, t.neighbour, t.open, t.attempts, m.message_id FROM transfers t
JOIN messages m ON m.message_row = t.message_row WHERE t.transfer_id = ?

-- name: close_transfer
UPDATE transfers SET open = 0, answer = ?2, attempts = attempts + 1, last_error = '' WHERE transfer_id = ?1

-- name: postpone_transfer
UPDATE transfers SET attempts = attempts + 1, last_error = ?2, not_before = ?3 WHERE transfer_id = ?1

-- name: of_transfer
SELECT delivery_row, state FROM deliveries
WHERE message_row = (SELECT message_row FROM transfers WHERE transfer_id = ?1) AND transfer_id = ?1

-- name: may_go
SELECT 1 FROM transfers WHERE transfer_id = ? AND open = 1

-- name: let_go
-- A held delivery is so no longer: its transfer may be repeated, unless another of it is held.
UPDATE transfers SET open = 1
WHERE transfer_id = (SELECT transfer_id FROM deliveries WHERE delivery_row = ?1) AND open = 2
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message_row = transfers.message_row
                  AND d.transfer_id = transfers.transfer_id AND d.state = 'held')

-- name: unfreeze
UPDATE deliveries SET transfer_id = NULL, state = ?2, updated_at = ?3 WHERE delivery_row = ?1

-- name: close
UPDATE transfers SET open = 0 WHERE transfer_id = ?

-- name: resend
UPDATE deliveries SET state = 'in-flight', updated_at = ?2
WHERE message_row = (SELECT message_row FROM transfers WHERE transfer_id = ?1) AND transfer_id = ?1
  AND state = 'queued'

-- name: interrupted
SELECT t.transfer_id FROM transfers t WHERE t.open = 1 AND EXISTS
    (SELECT 1 FROM deliveries d
     WHERE d.message_row = t.message_row AND d.transfer_id = t.transfer_id AND d.state = 'in-flight')

-- name: of_recipient
SELECT d.delivery_row, d.state, a.neighbour, d.next_hop, d.reason FROM deliveries d
JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE d.message_row = ? AND d.recipient = ?

-- name: move
UPDATE deliveries SET state = ?2, updated_at = ?3 WHERE delivery_row = ?1

-- name: settle
-- `reached_at` is the first word of its arrival: later words move `settled_at` on.
UPDATE deliveries SET state = ?2, updated_at = ?3, settled_at = ?4, reason = ?5,
    reached_at = coalesce(reached_at, iif(?2 = 'available' OR ?2 = 'fetched' OR ?2 = 'handed-over', coalesce(?4, ?3), NULL)),
    detail = CASE WHEN ?6 = '' AND acknowledgement = 'fail' THEN detail ELSE ?6 END, failed_at_node = ?7
WHERE delivery_row = ?1

-- name: put_back
UPDATE deliveries SET detail = ?2 WHERE delivery_row = ?1 AND acknowledgement = 'fail'

-- name: acknowledged_there
-- Receipts may overtake each other: what was taken over stays so.
UPDATE deliveries SET acknowledgement = ?2 WHERE delivery_row = ?1 AND (acknowledgement <> 'done' OR ?2 = 'done')

-- name: message_row
SELECT message_row, digest FROM messages WHERE message_id = ? AND origin = ?

-- name: has_receipt
SELECT 1 FROM receipts WHERE digest = ?

-- name: add_receipt
INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING

-- name: add_return
-- In the lane of its document.
INSERT INTO returns (neighbour, receipt, lane)
VALUES (?1, ?2, coalesce((SELECT (m.priority > 0) + (m.priority > 2) FROM receipts c
    JOIN messages m ON m.message_row = c.message_row WHERE c.digest = ?2), 0))
ON CONFLICT (neighbour, receipt) DO NOTHING

-- name: ready
-- The deliveries of one lane that wait for a neighbour, in order of arrival.
SELECT d.delivery_row, d.recipient, d.lane, d.arrival_row, m.message_row, m.message_id, m.origin, m.message_type,
    m.sender, m.priority, m.digest, m.size_bytes, m.expires_at, m.seal_kind, m.seal, a.trace, a.batched
FROM deliveries d INDEXED BY deliveries_ready
JOIN messages m ON m.message_row = d.message_row
JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE d.next_hop = ? AND d.lane = ? AND d.state = 'queued' AND d.transfer_id IS NULL
ORDER BY d.delivery_row LIMIT ?

-- name: ready_rest
-- As `ready`: those of one arrival that a page of it has cut off; by its message, not along all that waits (+).
SELECT d.delivery_row, d.recipient, d.lane, d.arrival_row, m.message_row, m.message_id, m.origin, m.message_type,
    m.sender, m.priority, m.digest, m.size_bytes, m.expires_at, m.seal_kind, m.seal, a.trace, a.batched
FROM messages m
JOIN deliveries d ON d.message_row = m.message_row
JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE m.message_row = ? AND d.arrival_row = ? AND d.delivery_row > ?
    AND +d.next_hop = ? AND +d.lane = ? AND d.state = 'queued' AND d.transfer_id IS NULL
ORDER BY d.delivery_row

-- name: open_transfers
-- Chosen by indexes before anything of them is read: what went out by hand may be a hundred thousand.
WITH ahead AS (
    SELECT t.rowid AS number, t.lane AS lane, t.not_before AS due FROM transfers t INDEXED BY transfers_ahead
    WHERE t.open = 1 AND t.lane > 0 AND t.neighbour = ?1 AND (t.not_before <= ?2 OR t.not_before > ?3)
    ORDER BY t.lane DESC, t.not_before LIMIT ?4),
past AS (
    SELECT t.rowid AS number, t.lane AS lane, t.not_before AS due FROM transfers t INDEXED BY transfers_open
    WHERE t.open = 1 AND t.neighbour = ?1 AND t.not_before <= ?2 ORDER BY t.not_before LIMIT ?4),
far AS (
    SELECT t.rowid AS number, t.lane AS lane, t.not_before AS due FROM transfers t INDEXED BY transfers_open
    WHERE t.open = 1 AND t.neighbour = ?1 AND t.not_before > ?3 ORDER BY t.not_before LIMIT ?4),
chosen AS (
    SELECT * FROM ahead UNION SELECT * FROM past UNION SELECT * FROM far ORDER BY lane DESC, due LIMIT ?4)
SELECT t.transfer_id, t.neighbour, t.message_row, t.lane, t.header, t.signature, t.attempts,
    m.seal_kind, m.seal, m.digest, m.expires_at,
    EXISTS (SELECT 1 FROM deliveries d
            WHERE d.message_row = t.message_row AND d.transfer_id = t.transfer_id AND d.state = 'in-doubt'),
    (SELECT min(a.batched) FROM deliveries d JOIN arrivals a ON a.arrival_row = d.arrival_row
     WHERE d.message_row = t.message_row AND d.transfer_id = t.transfer_id)
FROM chosen h CROSS JOIN transfers t ON t.rowid = h.number JOIN messages m ON m.message_row = t.message_row
ORDER BY h.lane DESC, h.due

-- name: overdue
SELECT d.delivery_row, d.message_row, m.message_id, m.origin, m.digest, m.size_bytes, d.recipient, d.state,
    d.transfer_id, a.receipt, t.neighbour, t.lane, t.header, t.signature, t.attempts, m.seal_kind, m.seal, m.expires_at
FROM deliveries d JOIN messages m ON m.message_row = d.message_row
JOIN arrivals a ON a.arrival_row = d.arrival_row
LEFT JOIN transfers t ON t.transfer_id = d.transfer_id
WHERE d.state IN ('sealing', 'queued', 'in-flight', 'in-doubt') AND d.state <> 'in-flight' AND d.expires_at <= ?
ORDER BY d.expires_at LIMIT ?

-- name: unknown_outcomes
-- As `overdue`, of deliveries that ended without anyone knowing whether the neighbour has them.
SELECT d.delivery_row, d.message_row, m.message_id, m.origin, m.digest, m.size_bytes, d.recipient, d.state,
    d.transfer_id, a.receipt, t.neighbour, t.lane, t.header, t.signature, t.attempts, m.seal_kind, m.seal, m.expires_at
FROM transfers t JOIN messages m ON m.message_row = t.message_row
JOIN deliveries d ON d.message_row = t.message_row AND d.transfer_id = t.transfer_id
JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE t.open = -1 AND t.neighbour = ? AND t.transfer_id > ? AND t.transfer_id <= ?
    AND d.state = 'expired' AND d.reason = 'outcome-unknown'
ORDER BY t.transfer_id LIMIT ?

-- name: close_if_done
-- Closed (0), or open to a question (-1) while the outcome of some of it is unknown.
UPDATE transfers SET open = CASE WHEN EXISTS
    (SELECT 1 FROM deliveries d WHERE d.message_row = transfers.message_row AND d.transfer_id = ?1
       AND d.state = 'expired' AND d.reason = 'outcome-unknown') THEN -1 ELSE 0 END
WHERE transfer_id = ?1 AND NOT EXISTS
    (SELECT 1 FROM deliveries d WHERE d.message_row = transfers.message_row AND d.transfer_id = ?1
       AND d.state IN ('queued', 'in-flight', 'in-doubt', 'held'))

-- name: returns
-- The higher lanes first, but an eighth of them at least is what waits longest.
WITH ahead AS (
    SELECT return_row, lane FROM returns INDEXED BY returns_ahead
    WHERE neighbour = ?1 AND parked = 0 AND lane > 0 ORDER BY lane DESC, return_row LIMIT ?2 - ?2 / 8),
oldest AS (SELECT return_row FROM returns WHERE neighbour = ?1 AND parked = 0 ORDER BY return_row LIMIT ?2),
chosen AS (
    SELECT return_row, lane FROM ahead UNION ALL
    SELECT return_row, -1 FROM oldest WHERE return_row NOT IN (SELECT return_row FROM ahead)
    ORDER BY 2 DESC, 1 LIMIT ?2)
SELECT r.return_row, c.document, c.signature FROM chosen h CROSS JOIN returns r ON r.return_row = h.return_row
JOIN receipts c ON c.digest = r.receipt ORDER BY h.lane DESC, h.return_row

-- name: unsealed
-- As above, of messages.
WITH ahead AS (
    SELECT DISTINCT d.lane, d.message_row FROM deliveries d INDEXED BY deliveries_sealing_ahead
    JOIN messages m ON m.message_row = d.message_row
    WHERE d.state = 'sealing' AND d.lane > 0 AND m.sender NOT IN (SELECT value FROM json_each(?1))
    ORDER BY d.lane DESC, d.message_row LIMIT ?2 - ?2 / 8),
oldest AS (
    SELECT DISTINCT d.message_row FROM deliveries d INDEXED BY deliveries_sealing
    JOIN messages m ON m.message_row = d.message_row
    WHERE d.state = 'sealing' AND m.sender NOT IN (SELECT value FROM json_each(?1))
    ORDER BY d.message_row LIMIT ?2),
chosen AS (
    SELECT message_row, lane FROM ahead UNION ALL
    SELECT message_row, -1 FROM oldest WHERE message_row NOT IN (SELECT message_row FROM ahead)
    ORDER BY 2 DESC, 1 LIMIT ?2)
SELECT m.message_row, m.message_id, m.origin, m.sender, m.digest, m.size_bytes, a.receipt,
    json_group_array(d.recipient) FILTER (WHERE d.next_hop IS NULL)
FROM chosen h CROSS JOIN messages m ON m.message_row = h.message_row
JOIN deliveries d ON d.message_row = m.message_row AND d.state = 'sealing'
JOIN arrivals a ON a.arrival_row = d.arrival_row
GROUP BY m.message_row ORDER BY h.lane DESC, m.message_row

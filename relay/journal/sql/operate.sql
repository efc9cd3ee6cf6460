-- name: by_delivery
SELECT delivery_row FROM deliveries WHERE delivery_id = ?

-- name: by_message
-- Of messages that share an id by another origin's ill will, this node's own comes first.
SELECT d.delivery_row FROM deliveries d WHERE d.message_row =
    (SELECT m.message_row FROM messages m WHERE m.message_id = ?1
     ORDER BY m.origin = ?2 DESC, m.message_row LIMIT 1)
ORDER BY d.delivery_row

-- name: targets
-- The columns of `overdue` in carry.sql, and what operators' actions need beside them.
SELECT d.delivery_row, d.message_row, m.message_id, m.origin, m.digest, m.size_bytes, d.recipient, d.state,
    t.transfer_id, a.receipt, t.neighbour, t.lane, t.header, t.signature, t.attempts, m.seal_kind, m.seal, m.expires_at,
    d.delivery_id, d.next_hop, a.neighbour, m.seal IS NOT NULL, coalesce(t.open = 2, 0)
FROM deliveries d JOIN messages m ON m.message_row = d.message_row
JOIN arrivals a ON a.arrival_row = d.arrival_row
LEFT JOIN transfers t ON t.transfer_id = d.transfer_id AND t.open > 0
WHERE d.delivery_row IN (SELECT value FROM json_each(?)) ORDER BY d.delivery_row

-- name: queued
SELECT d.delivery_row, d.recipient FROM deliveries d INDEXED BY deliveries_ready
WHERE d.next_hop = ? AND d.lane = ? AND d.state = 'queued' AND d.transfer_id IS NULL
  AND d.delivery_row > ? AND d.delivery_row <= ?
ORDER BY d.delivery_row LIMIT ?

-- name: frozen
-- One page of a neighbour's frozen transfers, in the order of their index.
WITH page AS MATERIALIZED (
    SELECT t.rowid AS number, t.not_before, t.message_row, t.transfer_id FROM transfers t
    WHERE t.open = 1 AND t.neighbour = ? AND (t.not_before, t.rowid) > (?, ?)
    ORDER BY t.not_before, t.rowid LIMIT ?)
SELECT p.not_before, p.number, d.delivery_row FROM page p
LEFT JOIN deliveries d ON d.message_row = p.message_row AND d.transfer_id = p.transfer_id
    AND d.state IN ('queued', 'in-flight', 'in-doubt')
ORDER BY p.not_before, p.number, d.delivery_row

-- name: sealing
SELECT d.delivery_row FROM deliveries d
WHERE d.state = 'sealing' AND d.next_hop = ? AND d.delivery_row > ? ORDER BY d.delivery_row LIMIT ?

-- name: held
SELECT d.delivery_row FROM deliveries d INDEXED BY deliveries_held
WHERE d.state = 'held' AND d.next_hop = ? AND d.delivery_row > ? ORDER BY d.delivery_row LIMIT ?

-- name: newest
SELECT coalesce(max(delivery_row), 0) FROM deliveries

-- name: place
SELECT d.delivery_id, d.state, d.next_hop, d.transfer_id, m.message_id, m.seal IS NOT NULL
FROM deliveries d JOIN messages m ON m.message_row = d.message_row WHERE d.delivery_row = ?

-- name: remember
INSERT INTO interventions VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (delivery_row) DO UPDATE
SET action = ?2, done_by = ?3, why = ?4, at = ?5

-- name: pause
UPDATE transfers SET open = 2 WHERE transfer_id = ? AND open = 1

-- name: partly_ended
SELECT 1 FROM transfers t JOIN deliveries d ON d.message_row = t.message_row AND d.transfer_id = t.transfer_id
WHERE t.transfer_id = ? AND t.open > 0 AND d.state IN ('refused', 'expired', 'cancelled') LIMIT 1

-- name: reroute
UPDATE deliveries SET next_hop = ?2, state = ?3, updated_at = ?4 WHERE delivery_row = ?1

-- name: consign
UPDATE deliveries SET next_hop = NULL, state = ?2, available_at = ?3, updated_at = ?3, inbox_cursor =
    (SELECT coalesce(max(inbox_cursor), 0) + 1 FROM deliveries WHERE inbox_cursor IS NOT NULL)
WHERE delivery_row = ?1

-- name: unpark
UPDATE returns SET parked = 0 WHERE return_row IN
    (SELECT r.return_row FROM returns r WHERE r.parked = 1 AND r.neighbour = ? LIMIT ?)

-- name: parked_of_messages
SELECT r.return_row, r.neighbour FROM returns r JOIN receipts c ON c.digest = r.receipt
WHERE r.parked = 1 AND c.message_row IN (SELECT value FROM json_each(?))

-- name: hasten
UPDATE transfers SET not_before = ?3 WHERE rowid IN
    (SELECT t.rowid FROM transfers t
     WHERE t.open = 1 AND t.neighbour = ?1 AND t.not_before > ?3 LIMIT ?2)

-- name: hasten_one
UPDATE transfers SET not_before = ?2 WHERE transfer_id = ?1 AND open = 1 AND not_before > ?2

-- name: end_wait
UPDATE neighbours SET retry_at = ?2 WHERE node_id = ?1 AND retry_at > ?2

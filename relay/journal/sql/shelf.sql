-- name: waiting
-- The deliveries of one lane that wait for a neighbour, from a row on, in order of arrival.
SELECT d.delivery_row, d.recipient, d.lane, d.arrival_row, m.message_row, m.message_id, m.origin, m.message_type,
    m.sender, m.priority, m.digest, m.size_bytes, m.expires_at, m.seal_kind, m.seal, a.trace, a.batched
FROM deliveries d INDEXED BY deliveries_ready
JOIN messages m ON m.message_row = d.message_row
JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE d.next_hop = ? AND d.lane = ? AND d.delivery_row > ? AND d.state = 'queued' AND d.transfer_id IS NULL
ORDER BY d.delivery_row LIMIT ?

-- name: unanswered
-- Frozen transfers of one lane that have no answer: those once exported, or the others; the oldest first.
SELECT t.transfer_id, t.neighbour, t.message_row, t.lane, t.header, t.signature, t.attempts,
    m.seal_kind, m.seal, m.digest, m.expires_at,
    EXISTS (SELECT 1 FROM deliveries d
            WHERE d.message_row = t.message_row AND d.transfer_id = t.transfer_id AND d.state = 'in-doubt'),
    (SELECT min(a.batched) FROM deliveries d JOIN arrivals a ON a.arrival_row = d.arrival_row
     WHERE d.message_row = t.message_row AND d.transfer_id = t.transfer_id)
FROM transfers t JOIN messages m ON m.message_row = t.message_row
WHERE t.open = 1 AND t.neighbour = ?1 AND t.lane = ?2 AND (t.last_error = ?3) = ?4 AND t.transfer_id > ?5
ORDER BY t.transfer_id LIMIT ?6

-- name: frozen
SELECT t.header, t.signature, m.seal FROM transfers t JOIN messages m ON m.message_row = t.message_row
WHERE t.transfer_id = ? AND t.neighbour = ?

-- name: returns
SELECT r.receipt, length(c.document) + length(c.signature)
FROM returns r JOIN receipts c ON c.digest = r.receipt
WHERE r.neighbour = ? AND r.parked = 0 ORDER BY r.return_row LIMIT ?

-- name: receipts
SELECT c.document, c.signature FROM json_each(?) j CROSS JOIN receipts c ON c.digest = j.value ORDER BY j.key

-- name: known
-- CROSS: each id is looked up, however many arrivals there are of the neighbour.
SELECT count(*) FROM json_each(?2) j CROSS JOIN arrivals a ON a.neighbour = ?1 AND a.transfer_id = j.value

-- name: handed_over
DELETE FROM returns WHERE neighbour = ? AND receipt = ?

-- name: came_at
-- The oldest delivery from this row on, and when it came.
SELECT d.delivery_row, a.at FROM deliveries d JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE d.delivery_row >= ? ORDER BY d.delivery_row LIMIT 1

-- name: hops
-- Next hops with something in the queue: a skip along the index, not a walk.
WITH RECURSIVE hop (node) AS (
    SELECT min(next_hop) FROM deliveries WHERE state = 'queued' AND transfer_id IS NULL
    UNION ALL
    SELECT (SELECT min(d.next_hop) FROM deliveries d
            WHERE d.state = 'queued' AND d.transfer_id IS NULL AND d.next_hop > hop.node)
    FROM hop WHERE hop.node IS NOT NULL)
SELECT node FROM hop WHERE node IS NOT NULL

-- name: queued
SELECT count(*) FROM deliveries INDEXED BY deliveries_ready
WHERE next_hop = ? AND lane = ? AND state = 'queued' AND transfer_id IS NULL
  AND delivery_row >= ? AND delivery_row < ?

-- name: frozen
SELECT t.neighbour, CASE d.state WHEN 'in-doubt' THEN 'in-doubt' ELSE 'waiting' END,
    (d.delivery_row < :b0) + (d.delivery_row < :b1) + (d.delivery_row < :b2) + (d.delivery_row < :b3) + (d.delivery_row < :b4)
    + (d.delivery_row < :b5) + (d.delivery_row < :b6) + (d.delivery_row < :b7) + (d.delivery_row < :b8), count(*)
FROM transfers t JOIN deliveries d ON d.message_row = t.message_row AND d.transfer_id = t.transfer_id
WHERE t.open = 1 AND d.state IN ('queued', 'in-flight', 'in-doubt') GROUP BY 1, 2, 3

-- name: paused
-- Those of transfers that are not repeated while one of them is held.
SELECT t.neighbour, CASE d.state WHEN 'in-doubt' THEN 'in-doubt' ELSE 'waiting' END,
    (d.delivery_row < :b0) + (d.delivery_row < :b1) + (d.delivery_row < :b2) + (d.delivery_row < :b3) + (d.delivery_row < :b4)
    + (d.delivery_row < :b5) + (d.delivery_row < :b6) + (d.delivery_row < :b7) + (d.delivery_row < :b8), count(*)
FROM transfers t JOIN deliveries d ON d.message_row = t.message_row AND d.transfer_id = t.transfer_id
WHERE t.open = 2 AND d.state IN ('queued', 'in-flight', 'in-doubt') GROUP BY 1, 2, 3

-- name: sealing
SELECT d.next_hop, 'waiting',
    (d.delivery_row < :b0) + (d.delivery_row < :b1) + (d.delivery_row < :b2) + (d.delivery_row < :b3) + (d.delivery_row < :b4)
    + (d.delivery_row < :b5) + (d.delivery_row < :b6) + (d.delivery_row < :b7) + (d.delivery_row < :b8), count(*)
FROM deliveries d WHERE d.state = 'sealing' GROUP BY 1, 3

-- name: held
SELECT d.next_hop, 'held',
    (d.delivery_row < :b0) + (d.delivery_row < :b1) + (d.delivery_row < :b2) + (d.delivery_row < :b3) + (d.delivery_row < :b4)
    + (d.delivery_row < :b5) + (d.delivery_row < :b6) + (d.delivery_row < :b7) + (d.delivery_row < :b8), count(*)
FROM deliveries d INDEXED BY deliveries_held WHERE d.state = 'held' GROUP BY 1, 3

-- name: unknown
SELECT d.next_hop, 'outcome-unknown',
    (d.delivery_row < :b0) + (d.delivery_row < :b1) + (d.delivery_row < :b2) + (d.delivery_row < :b3) + (d.delivery_row < :b4)
    + (d.delivery_row < :b5) + (d.delivery_row < :b6) + (d.delivery_row < :b7) + (d.delivery_row < :b8), count(*)
FROM deliveries d INDEXED BY deliveries_unknown
WHERE d.state = 'expired' AND d.reason = 'outcome-unknown' GROUP BY 1, 3

-- name: receipts_waiting
SELECT neighbour, count(*) FROM returns WHERE parked = 0 GROUP BY neighbour

-- name: receipts_parked
SELECT neighbour, count(*) FROM returns WHERE parked = 1 GROUP BY neighbour

-- name: put_back
SELECT count(*) FROM deliveries WHERE acknowledgement = 'fail' AND state IN ('available', 'fetched') AND inbox_cursor IS NOT NULL

-- name: last_errors
-- A remote's list may fail while its sends go well.
SELECT node_id, last_error FROM neighbours WHERE last_error <> '' UNION ALL
SELECT bridge, 'list: ' || last_error FROM bridge_polls WHERE failures > 0

-- name: named_delivery
SELECT m.message_id, d.delivery_row FROM deliveries d JOIN messages m ON m.message_row = d.message_row
WHERE d.delivery_id = ?

-- name: named_message
SELECT ?1, d.delivery_row FROM deliveries d WHERE d.message_row =
    (SELECT m.message_row FROM messages m WHERE m.message_id = ?1
     ORDER BY m.origin = ?2 DESC, m.message_row LIMIT 1)
ORDER BY d.state NOT IN ('sealing', 'queued', 'in-flight', 'in-doubt', 'held'), d.delivery_row LIMIT ?3

-- name: facts
SELECT d.delivery_id, a.neighbour, d.failed_at_node, a.at, d.updated_at, t.transfer_id,
    d.delivery_row, d.next_hop, d.lane, d.state = 'queued' AND d.transfer_id IS NULL,
    i.action, i.done_by, i.why, i.at,
    d.acknowledgement = 'fail' AND d.inbox_cursor IS NOT NULL, coalesce(t.open = 2, 0)
FROM deliveries d JOIN arrivals a ON a.arrival_row = d.arrival_row
LEFT JOIN transfers t ON t.transfer_id = d.transfer_id AND t.open > 0
LEFT JOIN interventions i ON i.delivery_row = d.delivery_row
WHERE d.delivery_row IN (SELECT value FROM json_each(?))

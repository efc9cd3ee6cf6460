-- name: slice_end
SELECT expires_at, delivery_row FROM deliveries INDEXED BY deliveries_waiting
WHERE state IN ('sealing', 'queued', 'in-flight', 'in-doubt') AND (expires_at, delivery_row) > (?, ?)
ORDER BY expires_at, delivery_row LIMIT 1 OFFSET ?

-- name: waiting
WITH slice (delivery_row) AS MATERIALIZED
    (SELECT delivery_row FROM deliveries INDEXED BY deliveries_waiting
     WHERE state IN ('sealing', 'queued', 'in-flight', 'in-doubt') AND (expires_at, delivery_row) > (?1, ?2)
     ORDER BY expires_at, delivery_row LIMIT ?3)
SELECT {columns} FROM slice CROSS JOIN deliveries d ON d.delivery_row = slice.delivery_row {joined}
WHERE d.state <> 'sealing' AND a.neighbour IS NOT NULL AND a.at <= ?4

-- name: held
SELECT {columns} FROM deliveries d INDEXED BY deliveries_held {joined}
WHERE d.state = 'held' AND a.neighbour IS NOT NULL LIMIT ?1

-- name: ended
SELECT {columns} FROM watched x CROSS JOIN deliveries d ON d.delivery_row = x.delivery_row {joined}
WHERE d.state NOT IN ('sealing', 'queued', 'in-flight', 'in-doubt', 'held') LIMIT ?1

-- name: watch
INSERT INTO watched VALUES (?, ?, ?, ?, ?) ON CONFLICT (delivery_row) DO UPDATE
SET waits = excluded.waits, told = excluded.told, next_at = excluded.next_at, untold = excluded.untold

-- name: unwatch
DELETE FROM watched WHERE delivery_row = ?

-- Of a list first the numbers of its rows, by an index; then the rows, a slice at a time (lists.py).

-- name: inbox
SELECT d.inbox_cursor FROM deliveries d JOIN messages m ON m.message_row = d.message_row
WHERE d.inbox_cursor > :after
  AND (:agencies IS NULL OR d.recipient IN (SELECT value FROM json_each(:agencies)))
  AND (:kind IS NULL OR m.message_type = :kind)
  AND (:acknowledgement IS NULL OR d.acknowledgement = :acknowledgement)
  AND (:open = 0 OR d.acknowledgement <> 'done')
  AND d.state IN ('available', 'fetched', 'handed-over')
  AND (:since IS NULL OR d.available_at >= :since)
  AND (:until IS NULL OR d.available_at <= :until)
ORDER BY d.inbox_cursor LIMIT :limit OFFSET :skip

-- name: inbox_of
-- As `inbox` for some agencies: of each the first few by an index in the order of the list, then the
-- first of those. An index of what is open answers a poll whatever was handed over in years.
{first} ORDER BY {places} LIMIT :limit OFFSET :skip

-- name: inbox_first
SELECT * FROM (
    SELECT d.inbox_cursor, d.available_at FROM deliveries d {join}
    WHERE d.recipient = {code} {filters}
    ORDER BY {inner} LIMIT :most)

-- name: inbox_rows
SELECT d.delivery_id, d.inbox_cursor, m.message_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation,
    m.priority, m.digest, m.size_bytes, d.state, d.acknowledgement, d.available_at, d.updated_at, m.seal_kind,
    r.status_code, r.document_id, r.notation, r.promulgation_date, coalesce(b.state, 'none'), b.obligation, d.detail
FROM json_each(:rows) w CROSS JOIN deliveries d ON d.inbox_cursor = w.value
JOIN messages m ON m.message_row = d.message_row
LEFT JOIN reports r ON r.message_row = d.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
WHERE d.state IN ('available', 'fetched', 'handed-over')

-- name: sent
SELECT d.delivery_row FROM messages m JOIN deliveries d ON d.message_row = m.message_row
WHERE m.submitted_by IS NOT NULL
  AND (:kind IS NULL OR m.message_type = :kind)
  AND (:since IS NULL OR m.accepted_at >= :since)
  AND (:until IS NULL OR m.accepted_at <= :until)
  AND (:states IS NULL OR d.sent_kind || ' ' || d.state IN (SELECT value FROM json_each(:states)))
ORDER BY m.accepted_at DESC, m.message_row DESC, d.delivery_row LIMIT :limit OFFSET :skip

-- name: sent_one
SELECT d.delivery_row FROM messages m JOIN deliveries d ON d.message_row = m.message_row
WHERE m.message_id = :message AND m.submitted_by IS NOT NULL
  AND (:agencies IS NULL OR m.sender IN (SELECT value FROM json_each(:agencies)))
  AND (:kind IS NULL OR m.message_type = :kind)
  AND (:since IS NULL OR m.accepted_at >= :since)
  AND (:until IS NULL OR m.accepted_at <= :until)
  AND (:states IS NULL OR d.sent_kind || ' ' || d.state IN (SELECT value FROM json_each(:states)))
ORDER BY d.delivery_row LIMIT :limit OFFSET :skip

-- name: sent_of
-- As `sent` for some agencies: of each the newest messages by an index, then all deliveries of the newest of those.
WITH wanted (row, at) AS MATERIALIZED ({first} ORDER BY 2 DESC, 1 DESC LIMIT :most)
SELECT d.delivery_row FROM wanted w JOIN deliveries d ON d.message_row = w.row {states}
ORDER BY w.at DESC, w.row DESC, d.delivery_row LIMIT :limit OFFSET :skip

-- name: sent_first
SELECT * FROM (
    SELECT m.message_row, m.accepted_at FROM messages m
    WHERE m.sender = {code} AND m.message_type = {kind} AND m.submitted_by IS NOT NULL {filters}
    ORDER BY m.accepted_at DESC, m.message_row DESC LIMIT :most)

-- name: sent_first_of_state
-- A message to many has a place in the index for each: it is met once.
SELECT * FROM (
    SELECT DISTINCT d.message_row, d.sent_at FROM deliveries d
    WHERE d.sent_by = {code} AND d.sent_kind = {kind} AND d.state = {state} {filters}
    ORDER BY d.sent_at DESC, d.message_row DESC LIMIT :most)

-- name: sent_rows
SELECT m.message_id, d.delivery_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation, m.accepted_at,
    d.state, d.acknowledgement, coalesce(d.settled_at, d.available_at), d.reason, d.detail, d.failed_at_node,
    coalesce(b.state, 'none'), b.obligation, d.delivery_row
FROM json_each(:rows) w CROSS JOIN deliveries d ON d.delivery_row = w.value
JOIN messages m ON m.message_row = d.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row

-- Conditions of `inbox_of` and `sent_of`: only those that are asked, so that the indexes serve.

-- name: inbox_kind_join
JOIN messages m ON m.message_row = d.message_row

-- name: inbox_listed
AND d.inbox_cursor IS NOT NULL AND d.state IN ('available', 'fetched', 'handed-over')

-- name: inbox_after
AND d.inbox_cursor > :after

-- name: inbox_open
AND d.acknowledgement <> 'done'

-- name: inbox_acknowledged
AND d.acknowledgement <> 'done' AND d.acknowledgement = :acknowledgement

-- name: inbox_put_back
AND d.acknowledgement <> 'done' AND d.acknowledgement IN ('initial', 'fail')

-- name: inbox_done
AND d.inbox_cursor IS NOT NULL AND d.acknowledgement = 'done'

-- name: inbox_kind
AND m.message_type = :kind

-- name: inbox_since
AND d.available_at >= :since

-- name: inbox_until
AND d.available_at <= :until

-- name: sent_since
AND m.accepted_at >= :since

-- name: sent_until
AND m.accepted_at <= :until

-- name: sent_state_since
AND d.sent_at >= :since

-- name: sent_state_until
AND d.sent_at <= :until

-- name: sent_states
WHERE d.sent_kind || ' ' || d.state IN (SELECT value FROM json_each(:states))

-- name: inbox
SELECT d.delivery_id, d.inbox_cursor, m.message_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation,
    m.priority, m.digest, m.size_bytes, d.state, d.acknowledgement, d.available_at, d.updated_at, m.seal_kind,
    r.status_code, r.document_id, r.notation, r.promulgation_date, coalesce(b.state, 'none'), b.obligation, d.detail
FROM deliveries d JOIN messages m ON m.message_row = d.message_row
LEFT JOIN reports r ON r.message_row = d.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
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
WITH wanted (cursor, at) AS MATERIALIZED ({first} ORDER BY {places} LIMIT :limit OFFSET :skip)
SELECT d.delivery_id, d.inbox_cursor, m.message_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation,
    m.priority, m.digest, m.size_bytes, d.state, d.acknowledgement, d.available_at, d.updated_at, m.seal_kind,
    r.status_code, r.document_id, r.notation, r.promulgation_date, coalesce(b.state, 'none'), b.obligation, d.detail
FROM wanted w JOIN deliveries d ON d.inbox_cursor = w.cursor JOIN messages m ON m.message_row = d.message_row
LEFT JOIN reports r ON r.message_row = d.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
ORDER BY {order}

-- name: inbox_first
SELECT * FROM (
    SELECT d.inbox_cursor, d.available_at FROM deliveries d {join}
    WHERE d.recipient = {code} {filters}
    ORDER BY {inner} LIMIT :most)

-- name: inbox_count
SELECT count(*) FROM deliveries d JOIN messages m ON m.message_row = d.message_row
WHERE d.inbox_cursor IS NOT NULL AND d.recipient IN (SELECT value FROM json_each(:agencies))
  AND m.message_type = :kind AND d.acknowledgement <> 'done' AND d.state IN ('available', 'fetched')

-- name: inbox_item
SELECT d.delivery_id, d.inbox_cursor, m.message_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation,
    m.priority, m.digest, m.size_bytes, d.state, d.acknowledgement, d.available_at, d.updated_at, m.seal_kind,
    r.status_code, r.document_id, r.notation, r.promulgation_date, coalesce(b.state, 'none'), b.obligation, d.detail,
    m.origin, d.recipient, a.receipt, a.transfer_id, a.neighbour, a.batched
FROM deliveries d JOIN messages m ON m.message_row = d.message_row
LEFT JOIN reports r ON r.message_row = d.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE d.delivery_id = ? AND d.inbox_cursor IS NOT NULL

-- name: sent
SELECT m.message_id, d.delivery_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation, m.accepted_at,
    d.state, d.acknowledgement, coalesce(d.settled_at, d.available_at), d.reason, d.detail, d.failed_at_node,
    coalesce(b.state, 'none'), b.obligation
FROM messages m JOIN deliveries d ON d.message_row = m.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
WHERE m.submitted_by IS NOT NULL
  AND (:agencies IS NULL OR m.sender IN (SELECT value FROM json_each(:agencies)))
  AND (:kind IS NULL OR m.message_type = :kind)
  AND (:since IS NULL OR m.accepted_at >= :since)
  AND (:until IS NULL OR m.accepted_at <= :until)
  AND (:states IS NULL OR d.state IN (SELECT value FROM json_each(:states)))
ORDER BY m.accepted_at DESC, m.message_row DESC, d.delivery_row LIMIT :limit OFFSET :skip

-- name: sent_one
SELECT m.message_id, d.delivery_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation, m.accepted_at,
    d.state, d.acknowledgement, coalesce(d.settled_at, d.available_at), d.reason, d.detail, d.failed_at_node,
    coalesce(b.state, 'none'), b.obligation
FROM messages m JOIN deliveries d ON d.message_row = m.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
WHERE m.message_id = :message AND m.submitted_by IS NOT NULL
  AND (:agencies IS NULL OR m.sender IN (SELECT value FROM json_each(:agencies)))
  AND (:kind IS NULL OR m.message_type = :kind)
  AND (:since IS NULL OR m.accepted_at >= :since)
  AND (:until IS NULL OR m.accepted_at <= :until)
  AND (:states IS NULL OR d.state IN (SELECT value FROM json_each(:states)))
ORDER BY d.delivery_row LIMIT :limit OFFSET :skip

-- name: sent_of
-- As `sent` for some agencies, in the same manner.
WITH wanted (row, at) AS MATERIALIZED ({first} ORDER BY 2 DESC, 1 DESC LIMIT :most)
SELECT m.message_id, d.delivery_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation, m.accepted_at,
    d.state, d.acknowledgement, coalesce(d.settled_at, d.available_at), d.reason, d.detail, d.failed_at_node,
    coalesce(b.state, 'none'), b.obligation
FROM wanted w JOIN messages m ON m.message_row = w.row JOIN deliveries d ON d.message_row = m.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
WHERE :states IS NULL OR d.state IN (SELECT value FROM json_each(:states))
ORDER BY w.at DESC, w.row DESC, d.delivery_row LIMIT :limit OFFSET :skip

-- name: sent_first
SELECT * FROM (
    SELECT m.message_row, m.accepted_at FROM messages m
    WHERE m.sender = {code} AND m.submitted_by IS NOT NULL {filters}
    ORDER BY m.accepted_at DESC, m.message_row DESC LIMIT :most)

-- name: sent_by_state
-- Of what is under way, or has failed: an index each, for there are few among many that arrived.
SELECT * FROM (
    SELECT DISTINCT s.message_row, m.accepted_at FROM deliveries s CROSS JOIN messages m
    WHERE {some} AND s.state IN (SELECT value FROM json_each(:states)) AND m.message_row = s.message_row
      AND m.sender IN (SELECT value FROM json_each(:agencies)) AND m.submitted_by IS NOT NULL {filters}
    ORDER BY s.message_row DESC LIMIT :most)

-- name: sent_under_way
s.state IN ('sealing', 'queued', 'held', 'in-flight', 'in-doubt', 'relayed')

-- name: sent_failed
s.state IN ('refused', 'expired', 'cancelled', 'taken-back')

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

-- name: sent_kind
AND m.message_type = :kind

-- name: sent_since
AND m.accepted_at >= :since

-- name: sent_until
AND m.accepted_at <= :until

-- name: sent_states
AND EXISTS (SELECT 1 FROM deliveries s WHERE s.message_row = m.message_row AND s.state IN (SELECT value FROM json_each(:states)))

-- name: message
SELECT m.message_row, m.message_id, m.origin, m.message_type, m.sender, m.subject, m.notation, m.document_id, m.priority,
    m.digest, m.size_bytes, m.accepted_at, m.expires_at, m.seal_kind, f.message_id, m.findings
FROM messages m LEFT JOIN messages f ON f.message_row = m.first_row
WHERE m.message_id = ?1 ORDER BY m.origin = ?2 DESC, m.message_row LIMIT 1

-- name: message_deliveries
SELECT d.delivery_id, d.recipient, d.addressed_as, d.state, d.next_hop, coalesce(t.attempts, 0), t.not_before,
    coalesce(t.last_error, ''), d.reason, d.detail, coalesce(t.open, 0), coalesce(n.last_error, ''), n.retry_at,
    coalesce(b.state, 'none')
FROM deliveries d LEFT JOIN transfers t ON t.transfer_id = d.transfer_id
LEFT JOIN business b ON b.delivery_row = d.delivery_row
LEFT JOIN neighbours n ON n.node_id = d.next_hop
WHERE d.message_row = ? ORDER BY d.delivery_row

-- name: message_receipts
SELECT digest, document FROM receipts WHERE message_row = ? ORDER BY rowid

-- name: message_reports
SELECT r.status_code, r.sender, r.organ_id, r.description, r.reported_at, m.message_id, m.accepted_at, d.delivery_id
FROM deliveries d JOIN report_matches x ON x.delivery_row = d.delivery_row
JOIN reports r ON r.message_row = x.report_row JOIN messages m ON m.message_row = r.message_row
WHERE d.message_row = ? ORDER BY r.message_row

-- name: parties
SELECT m.message_row, m.sender, m.priority FROM messages m
WHERE m.message_type = 'edoc' AND ((m.document_id = ?1 AND ?1 <> '') OR (m.notation = ?2 AND ?2 <> '' AND m.promulgation_date = ?3))
  AND (m.sender = ?4 OR EXISTS (SELECT 1 FROM deliveries d WHERE d.message_row = m.message_row AND d.recipient = ?4))
ORDER BY m.message_row DESC LIMIT 1

-- name: message_seal
-- Of messages that share an id by another origin's ill will, this node's own comes first.
SELECT seal_kind, seal FROM messages WHERE message_id = ?1 AND seal IS NOT NULL
ORDER BY origin = ?2 DESC, message_row LIMIT 1

-- name: delivery_seal
SELECT m.seal_kind, m.seal FROM deliveries d JOIN messages m ON m.message_row = d.message_row
WHERE d.delivery_id = ? AND m.seal IS NOT NULL

-- name: agencies
SELECT sender FROM messages WHERE message_row = ?1
UNION SELECT recipient FROM deliveries WHERE message_row = ?1

-- name: inbox_count
SELECT count(*) FROM deliveries d JOIN messages m ON m.message_row = d.message_row
WHERE d.inbox_cursor IS NOT NULL AND d.recipient IN (SELECT value FROM json_each(:agencies))
  AND m.message_type = :kind AND d.acknowledgement <> 'done' AND d.state IN ('available', 'fetched')

-- name: inbox_item
SELECT d.delivery_id, d.inbox_cursor, m.message_id, m.message_type, m.sender_as, d.addressed_as, m.subject, m.notation,
    m.priority, m.digest, m.size_bytes, d.state, d.acknowledgement, d.available_at, d.updated_at, m.seal_kind,
    r.status_code, r.document_id, r.notation, r.promulgation_date, coalesce(b.state, 'none'), b.obligation, d.detail,
    m.origin, d.recipient, a.receipt, a.transfer_id, a.neighbour, a.batched,
    (SELECT json_group_array(t.recipient) FROM deliveries t WHERE t.listed_with = d.delivery_row)
FROM deliveries d JOIN messages m ON m.message_row = d.message_row
LEFT JOIN reports r ON r.message_row = d.message_row
LEFT JOIN business b ON b.delivery_row = d.delivery_row
JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE d.delivery_id = ? AND d.inbox_cursor IS NOT NULL

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
-- Of the agency that the codes of ?4 name.
SELECT m.message_row, m.sender, m.priority FROM messages m
WHERE m.message_type = 'edoc' AND ((m.document_id = ?1 AND ?1 <> '') OR (m.notation = ?2 AND ?2 <> '' AND m.promulgation_date = ?3))
  AND (m.sender IN (SELECT value FROM json_each(?4)) OR EXISTS (SELECT 1 FROM json_each(?4) w
    CROSS JOIN deliveries d ON d.message_row = m.message_row AND d.recipient = w.value))
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

-- name: knows_agency
-- Whether a message is from or for it, by any of these codes. Asked only of what the directory does not have: it may
-- look through all messages.
SELECT EXISTS (SELECT 1 FROM json_each(?1) c JOIN messages m ON m.sender = c.value)
    OR EXISTS (SELECT 1 FROM json_each(?1) c JOIN deliveries d ON d.recipient = c.value)

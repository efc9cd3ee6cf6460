-- name: submission
SELECT message_row FROM submissions WHERE submission_key = ?

-- name: bind_submission
INSERT INTO submissions VALUES (?, ?)
ON CONFLICT (submission_key) DO UPDATE SET message_row = excluded.message_row

-- name: family_of
-- Of the message a key is bound to: its id, and the first of its family.
SELECT m.message_id, coalesce(m.first_row, m.message_row) FROM submissions s
JOIN messages m ON m.message_row = s.message_row WHERE s.submission_key = ?

-- name: idempotent
SELECT submission_key FROM idempotency WHERE idempotency_key = ?

-- name: bind_idempotent
INSERT INTO idempotency VALUES (?, ?) ON CONFLICT (idempotency_key) DO NOTHING

-- name: first_answer
SELECT m.message_row, a.arrival_row, m.message_id, m.accepted_at, a.receipt, coalesce(m.first_row, m.message_row)
FROM messages m JOIN arrivals a ON a.message_row = m.message_row
WHERE m.message_row = ? ORDER BY a.arrival_row LIMIT 1

-- name: handed_in_as
-- Digests that begin so, of what a system or token handed in for one of these agencies.
SELECT p.digest FROM json_each(?1) s CROSS JOIN payloads p ON p.digest >= s.value AND p.digest < s.value || 'g'
WHERE EXISTS (SELECT 1 FROM messages m WHERE m.submitted_by IS NOT NULL AND m.sender IN (SELECT value FROM json_each(?2))
    AND m.message_row IN (SELECT p.brought_by UNION ALL SELECT message_row FROM payload_users WHERE digest = p.digest))
LIMIT ?3

-- name: family
-- Of each recipient of a message and its renewals, the newest delivery.
SELECT d.recipient, d.state FROM deliveries d
WHERE d.message_row IN (SELECT message_row FROM messages WHERE message_row = ?1 OR first_row = ?1)
ORDER BY d.message_row

-- name: add_payload
INSERT INTO payloads VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING

-- name: share_payload
-- The message that brings a payload is known by its place in the order; all others are written down.
INSERT INTO payload_users VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: keep_again
INSERT INTO lingering VALUES ('payload', ?) ON CONFLICT DO NOTHING

-- name: add_message
INSERT INTO messages (origin, message_id, message_type, sender, sender_as, digest, size_bytes, priority,
    accepted_at, expires_at, subject, notation, document_id, promulgation_date, findings, submitted_by,
    first_row, seal_kind, seal)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: add_arrival
INSERT INTO arrivals (message_row, neighbour, transfer_id, header, signature, trace, receipt, at, batched)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: add_delivery
INSERT INTO deliveries (delivery_id, message_row, arrival_row, recipient, addressed_as, state, lane, next_hop,
    reason, detail, failed_at_node, expires_at, available_at, inbox_cursor, settled_at, updated_at, party, share_bytes,
    sent_by, sent_kind, sent_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: handed_in
SELECT sender, message_type, accepted_at FROM messages WHERE message_row = ? AND submitted_by IS NOT NULL

-- name: next_cursor
SELECT coalesce(max(inbox_cursor), 0) + 1 FROM deliveries WHERE inbox_cursor IS NOT NULL

-- name: add_receipt
INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING

-- name: header
SELECT header, signature FROM transfers WHERE transfer_id = ?

-- name: outgoing
SELECT m.message_row, m.sender_as, m.subject, m.notation, t.attempts, m.accepted_at, m.message_id,
    (SELECT max(CAST(value AS INTEGER), iif(name = 'restored', 1 << 62, 0)) FROM meta
     WHERE name IN ('restored', 'recovered') ORDER BY name DESC LIMIT 1)
FROM transfers t JOIN messages m ON m.message_row = t.message_row WHERE t.transfer_id = ?

-- name: addressed
SELECT d.recipient, d.addressed_as FROM deliveries d
WHERE d.message_row = ?1 AND d.transfer_id = ?2

-- name: packages
SELECT part, asked, asked_at, doc_id, facts, answer FROM bridge_sent WHERE transfer_id = ?

-- name: asking
INSERT INTO bridge_sent (transfer_id, part, bridge, message_row, asked, asked_at) VALUES (?1, ?2, ?3, ?4, 1, ?5)
ON CONFLICT (transfer_id, part) DO UPDATE
SET asked = asked + 1, asked_at = iif(asked = 0, excluded.asked_at, asked_at)

-- name: not_taken
UPDATE bridge_sent SET asked = max(asked - 1, 0) WHERE transfer_id = ? AND part = ?

-- name: has_it
INSERT INTO bridge_sent (transfer_id, part, bridge, message_row, asked, asked_at, doc_id, facts, answer)
SELECT ?1, ?2, neighbour, message_row, 0, ?6, ?3, ?4, ?5 FROM transfers WHERE transfer_id = ?1
ON CONFLICT (transfer_id, part) DO UPDATE
SET doc_id = excluded.doc_id, facts = excluded.facts, answer = excluded.answer

-- name: bound
SELECT 1 FROM bridge_sent WHERE bridge = ? AND doc_id = ? LIMIT 1

-- name: keep_answer
INSERT INTO bridge_answers VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING

-- name: followed
-- What a remote has and has not said its last word of, the newest first, behind a delivery of a message.
SELECT p.doc_id, p.part, m.message_row, m.message_id, m.origin, m.digest, m.size_bytes, m.message_type,
    d.recipient, d.addressed_as, d.state, d.acknowledgement, d.delivery_row, p.transfer_id,
    (SELECT t.answer FROM transfers t WHERE t.transfer_id = p.transfer_id)
FROM bridge_sent p JOIN messages m ON m.message_row = p.message_row
JOIN deliveries d ON d.message_row = p.message_row AND d.transfer_id = p.transfer_id
WHERE p.bridge = ?1 AND p.doc_id IS NOT NULL AND (p.part = '' OR p.part = d.recipient)
  AND d.state IN ('relayed', 'available', 'fetched') AND p.asked_at >= ?2
  AND p.message_row <= ?3 AND (p.message_row < ?3 OR d.delivery_row < ?4)
ORDER BY p.message_row DESC, d.delivery_row DESC LIMIT ?5

-- name: received
SELECT row_digest, message_row, told, open, judged_at FROM bridge_received WHERE bridge = ? AND doc_id = ?

-- name: to_tell
SELECT doc_id, message_row IS NULL, told FROM bridge_received
WHERE bridge = ? AND open = 1 ORDER BY judged_at LIMIT ?

-- name: note_received
INSERT INTO bridge_received (bridge, doc_id, row_digest, message_row, reason, detail, told, open, judged_at)
VALUES (?, ?, ?, ?, ?, ?, '', 1, ?)
ON CONFLICT (bridge, doc_id) DO UPDATE SET row_digest = excluded.row_digest, message_row = excluded.message_row,
    reason = excluded.reason, detail = excluded.detail, told = '', open = 1, judged_at = excluded.judged_at

-- name: tell_again
UPDATE bridge_received SET told = '', open = 1, judged_at = ?3 WHERE bridge = ?1 AND doc_id = ?2

-- name: told
UPDATE bridge_received SET told = ?3, open = ?4 WHERE bridge = ?1 AND doc_id = ?2

-- name: forget_refused
DELETE FROM bridge_received WHERE message_row IS NULL AND judged_at < ?

-- name: delivered
-- Whom this document reached, or is on its way to, over this bridge; what ended badly may come anew.
SELECT b.recipient, b.message_row FROM bridge_documents b
JOIN deliveries d ON d.message_row = b.message_row AND d.recipient = b.recipient
WHERE b.bridge = ? AND b.business = ? AND d.state NOT IN ('refused', 'expired', 'cancelled')

-- name: bind_document
INSERT INTO bridge_documents VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (bridge, business, recipient) DO UPDATE SET message_row = excluded.message_row

-- name: answers_due
-- The document's own delivery and words; the state as it is now.
SELECT a.obligation_row, o.state, c.submitted_by, o.cause_id, d.delivery_id, d.recipient, m.sender_as, m.notation,
    m.promulgation_date, m.document_id
FROM answers_due a JOIN obligations o ON o.obligation_row = a.obligation_row
JOIN messages c ON c.message_row = o.cause_row
JOIN deliveries d ON d.delivery_row = o.delivery_row
JOIN messages m ON m.message_row = d.message_row
ORDER BY a.obligation_row LIMIT ?

-- name: answered
DELETE FROM answers_due WHERE obligation_row = ?

-- name: poll_state
SELECT failures, retry_at, last_error FROM bridge_polls WHERE bridge = ?

-- name: store_poll_state
INSERT INTO bridge_polls VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (bridge) DO UPDATE SET failures = ?2, retry_at = ?3, last_error = ?4

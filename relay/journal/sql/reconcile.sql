-- What was exchanged with a neighbour, by the ids of transfers: their order is that of time, at both ends.

-- name: sent_window
SELECT transfer_id, neighbour = :neighbour FROM transfers
WHERE transfer_id > :after AND transfer_id < :before AND (:last IS NULL OR transfer_id <= :last)
ORDER BY transfer_id LIMIT :most

-- name: sent
-- A message to thousands has its deliveries looked through for each transfer of it: few transfers at a time.
SELECT t.transfer_id, m.message_id, m.origin, m.message_type, m.sender, m.digest, t.answer, t.created_at,
    d.recipient, d.state, d.reason, d.updated_at
FROM json_each(:ids) w CROSS JOIN transfers t ON t.transfer_id = w.value
CROSS JOIN messages m ON m.message_row = t.message_row
CROSS JOIN deliveries d ON d.message_row = t.message_row AND d.transfer_id = t.transfer_id
ORDER BY t.transfer_id, d.recipient LIMIT :most

-- name: received_window
SELECT transfer_id, length(header) FROM arrivals
WHERE neighbour = :neighbour AND transfer_id > :after AND transfer_id < :before
ORDER BY transfer_id LIMIT :most

-- name: received
-- With the digest of what stands here, whatever the header said.
SELECT a.header, a.receipt, a.at, a.message_row, m.digest
FROM arrivals a LEFT JOIN messages m ON m.message_row = a.message_row
WHERE a.neighbour = :neighbour AND a.transfer_id > :after AND a.transfer_id <= :last
ORDER BY a.transfer_id

-- name: standing
SELECT d.message_row, d.recipient, d.state, d.reason, d.updated_at
FROM json_each(:pairs) w
CROSS JOIN deliveries d ON d.message_row = w.value ->> 0 AND d.recipient = w.value ->> 1

-- name: answers
SELECT digest, document FROM receipts WHERE digest IN (SELECT value FROM json_each(:digests))

-- name: sent_to
SELECT d.delivery_id FROM json_each(:ids) w CROSS JOIN deliveries d ON d.delivery_id = w.value
CROSS JOIN transfers t ON t.transfer_id = d.transfer_id
WHERE t.neighbour = :neighbour

-- name: notations
SELECT m.message_id, m.notation FROM json_each(:ids) w CROSS JOIN messages m ON m.message_id = w.value

-- What one agency sent from here or received here. Statuses are few among documents: each kind is walked by itself.

-- name: kept_sent
SELECT m.message_id, d.delivery_id, d.recipient, m.digest, m.document_id, m.notation, m.promulgation_date, m.accepted_at,
    d.updated_at, d.state, d.reason, m.message_row
FROM (SELECT message_row, accepted_at FROM messages
      WHERE sender = :agency AND message_type = :kind AND submitted_by IS NOT NULL
        AND accepted_at >= :at AND (accepted_at > :at OR message_row > :row) AND accepted_at < :until
      ORDER BY accepted_at, message_row LIMIT :messages) w
CROSS JOIN messages m ON m.message_row = w.message_row
CROSS JOIN deliveries d ON d.message_row = w.message_row
ORDER BY w.accepted_at, w.message_row LIMIT :most

-- name: kept_done
SELECT m.message_id, d.delivery_id, m.sender, m.digest, m.document_id, m.notation, m.promulgation_date, d.available_at,
    d.updated_at, d.state, d.reason, d.inbox_cursor, m.message_type
FROM deliveries d CROSS JOIN messages m ON m.message_row = d.message_row
WHERE d.recipient = :agency AND d.inbox_cursor IS NOT NULL AND d.acknowledgement = 'done'
  AND d.available_at >= :at AND (d.available_at > :at OR d.inbox_cursor > :row) AND d.available_at < :until
ORDER BY d.available_at, d.inbox_cursor LIMIT :most

-- name: kept_open
SELECT m.message_id, d.delivery_id, m.sender, m.digest, m.document_id, m.notation, m.promulgation_date, d.available_at,
    d.updated_at, d.state, d.reason, d.inbox_cursor, m.message_type
FROM deliveries d CROSS JOIN messages m ON m.message_row = d.message_row
WHERE d.recipient = :agency AND d.inbox_cursor > :row AND d.acknowledgement <> 'done'
ORDER BY d.inbox_cursor LIMIT :most

-- name: of_messages
-- One row for each message of these ids that the agency sent from here.
SELECT m.message_id, '', m.sender, m.digest, m.document_id, m.notation, m.promulgation_date, m.accepted_at,
    m.accepted_at, 'relayed', NULL
FROM json_each(:ids) w CROSS JOIN messages m ON m.message_id = w.value
WHERE +m.sender = :agency AND m.submitted_by IS NOT NULL

-- name: of_deliveries
-- Received here, by message or delivery id.
SELECT m.message_id, d.delivery_id, m.sender, m.digest, m.document_id, m.notation, m.promulgation_date, d.available_at,
    d.updated_at, d.state, d.reason
FROM json_each(:ids) w CROSS JOIN deliveries d ON d.delivery_id = w.value JOIN messages m ON m.message_row = d.message_row
WHERE d.recipient = :agency AND d.inbox_cursor IS NOT NULL
UNION
SELECT m.message_id, d.delivery_id, m.sender, m.digest, m.document_id, m.notation, m.promulgation_date, d.available_at,
    d.updated_at, d.state, d.reason
FROM json_each(:ids) w CROSS JOIN messages m ON m.message_id = w.value
CROSS JOIN deliveries d ON d.message_row = m.message_row AND d.recipient = :agency
WHERE d.inbox_cursor IS NOT NULL

-- name: archived
-- Of these messages, those that left for the archive and that the agency may have again.
SELECT message_id FROM archived WHERE message_id IN (SELECT value FROM json_each(:ids))
  AND EXISTS (SELECT 1 FROM json_each(readers) WHERE value = :agency)

-- name: scratch
CREATE TABLE met (
    side TEXT NOT NULL, digest TEXT NOT NULL, recipient TEXT NOT NULL, delivery TEXT NOT NULL,
    message TEXT NOT NULL, sender TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (side, digest, recipient, delivery)
) WITHOUT ROWID

-- name: met
INSERT INTO met VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: twice
SELECT side, recipient, sender, message, delivery, at, first FROM
    (SELECT *, first_value(message) OVER w AS first, row_number() OVER w AS number FROM met
     WINDOW w AS (PARTITION BY side, digest, recipient ORDER BY at, message))
WHERE number > 1 LIMIT ?

-- name: passing
-- The next messages in the order in which they came.
SELECT message_row, accepted_at FROM messages WHERE message_row > ? ORDER BY message_row LIMIT ?

-- name: keeping
-- Of these messages, those that still need what they keep: something waits, or is too young for its state; a
-- legal hold names it, what it says the status of, or an agency of it; or it has to be in an archive file before it may leave, with all its
-- receipts.
SELECT r.value FROM json_each(:rows) r
WHERE EXISTS (SELECT 1 FROM transfers WHERE message_row = r.value AND open = 1)
    OR EXISTS (SELECT 1 FROM deliveries WHERE message_row = r.value AND NOT (
        (state IN ('handed-over', 'taken-back') AND updated_at <= :settled)
        OR (state IN ('refused', 'expired', 'cancelled') AND updated_at <= :failed)
        OR (state IN ('relayed', 'available', 'fetched') AND next_hop IS NOT NULL AND updated_at <= :relayed)
        OR (state = 'fetched' AND next_hop IS NULL AND updated_at <= :fetched)))
    OR (EXISTS (SELECT 1 FROM holds) AND EXISTS (SELECT 1 FROM messages m WHERE m.message_row = r.value AND (
        EXISTS (SELECT 1 FROM holds WHERE kind = 'message' AND name = m.message_id)
        OR EXISTS (SELECT 1 FROM holds WHERE kind = 'agency' AND name = m.sender)
        OR EXISTS (SELECT 1 FROM deliveries d JOIN holds h ON h.kind = 'agency' AND h.name = d.recipient
                   WHERE d.message_row = m.message_row)
        OR EXISTS (SELECT 1 FROM report_matches x JOIN deliveries d ON d.delivery_row = x.delivery_row
                   JOIN messages o ON o.message_row = d.message_row
                   JOIN holds h ON h.kind = 'message' AND h.name = o.message_id
                   WHERE x.report_row = m.message_row))))
    OR (:archiving AND iif(EXISTS (SELECT 1 FROM archived WHERE message_row = r.value),
        (SELECT count(*) FROM receipts WHERE message_row = r.value)
            > (SELECT max(receipts) FROM archived WHERE message_row = r.value),
        EXISTS (SELECT 1 FROM messages m JOIN payloads p ON p.digest = m.digest
                WHERE m.message_row = r.value AND m.seal IS NOT NULL)))

-- name: lingering
SELECT message_row FROM lingering WHERE part = ? AND message_row > ? ORDER BY message_row LIMIT ?

-- name: linger
INSERT INTO lingering VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: linger_no_more
DELETE FROM lingering WHERE part = ? AND message_row = ?

-- name: use_payload
INSERT INTO payload_users
SELECT digest, message_row FROM messages WHERE message_row = ? ON CONFLICT DO NOTHING

-- name: use_payload_no_more
DELETE FROM payload_users WHERE digest = ? AND message_row = ?

-- name: is_used
-- By one that is written down, or by the one that brought it and is not passed yet.
SELECT EXISTS (SELECT 1 FROM payload_users WHERE digest = ?1)
    OR EXISTS (SELECT 1 FROM payloads WHERE digest = ?1 AND brought_by > ?2)

-- name: payload
SELECT size_bytes, path FROM payloads WHERE digest = ?

-- name: drop_payload
DELETE FROM payloads WHERE digest = ?

-- name: stays
-- Row numbers and cursors are never given twice: the newest of each stay. So does the first message of a
-- family whose renewals are here, a status whose document is here, what still keeps its payload, and what some
-- node on the way, whose times are longer than ours, may still repeat.
SELECT :row >= (SELECT max(message_row) FROM messages)
    OR EXISTS (SELECT 1 FROM deliveries WHERE message_row = :row AND inbox_cursor =
               (SELECT max(inbox_cursor) FROM deliveries WHERE inbox_cursor IS NOT NULL))
    OR EXISTS (SELECT 1 FROM messages WHERE first_row = :row)
    OR EXISTS (SELECT 1 FROM report_matches WHERE report_row = :row)
    OR EXISTS (SELECT 1 FROM lingering WHERE part = 'payload' AND message_row = :row)
    OR EXISTS (SELECT 1 FROM messages WHERE message_row = :row AND expires_at > :repeatable)

-- name: drop_deliveries
DELETE FROM deliveries WHERE delivery_row IN
    (SELECT delivery_row FROM deliveries WHERE message_row = ? LIMIT ?)

-- name: reopened
SELECT transfer_id FROM reopened WHERE at <= ? ORDER BY transfer_id LIMIT ?

-- name: close_reopened
-- Of what it carried nothing waits here: the first answer stands.
UPDATE transfers SET open = 0 WHERE transfer_id = ?1 AND open = 1 AND NOT EXISTS
    (SELECT 1 FROM deliveries d WHERE d.message_row = transfers.message_row AND d.transfer_id = ?1
       AND d.state IN ('queued', 'in-flight', 'in-doubt', 'held'))

-- name: reopened_no_more
DELETE FROM reopened WHERE transfer_id = ?

-- name: refused_arrivals
-- Transfers that were refused whole: no message remembers them.
SELECT arrival_row, message_row IS NULL, at FROM arrivals
WHERE arrival_row > ? AND arrival_row < (SELECT max(arrival_row) FROM arrivals)
ORDER BY arrival_row LIMIT ?

-- name: stale_submissions
SELECT submission_key, NOT EXISTS (SELECT 1 FROM messages m WHERE m.message_row = s.message_row)
FROM submissions s WHERE submission_key > ? ORDER BY submission_key LIMIT ?

-- name: drop_submission
DELETE FROM submissions WHERE submission_key = ?1
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.message_row = submissions.message_row)

-- name: stale_idempotency
SELECT idempotency_key, NOT EXISTS (SELECT 1 FROM submissions s WHERE s.submission_key = i.submission_key)
FROM idempotency i WHERE idempotency_key > ? ORDER BY idempotency_key LIMIT ?

-- name: drop_idempotency
DELETE FROM idempotency WHERE idempotency_key = ?1
    AND NOT EXISTS (SELECT 1 FROM submissions s WHERE s.submission_key = idempotency.submission_key)

-- name: unreferred
-- Of these names of files, those that no payload has.
SELECT value FROM json_each(?) WHERE value NOT IN (SELECT digest FROM payloads)

-- name: state
SELECT value FROM meta WHERE name = 'retention'

-- name: keep_state
INSERT INTO meta VALUES ('retention', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value

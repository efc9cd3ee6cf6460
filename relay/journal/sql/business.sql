-- name: by_name
-- The document delivery or message that a status names by the relay's own id, between these two sides.
SELECT m.message_row, d.delivery_row, m.message_id, m.origin FROM deliveries d
JOIN messages m ON m.message_row = d.message_row
WHERE d.delivery_row IN (
        SELECT delivery_row FROM deliveries WHERE delivery_id = :named
        UNION ALL SELECT n.delivery_row FROM messages o JOIN deliveries n ON n.message_row = o.message_row
        WHERE o.message_id = :named)
  AND m.message_type = 'edoc'
  AND ((m.sender = :one AND d.recipient IN (SELECT value FROM json_each(:others)))
       OR (d.recipient IN (SELECT value FROM json_each(:ones)) AND m.sender IN (SELECT value FROM json_each(:others))))
ORDER BY m.message_row DESC

-- name: by_document_id
-- Two ways round, so that a status about a circular looks at one of its deliveries and not at all.
SELECT m.message_row, d.delivery_row, m.message_id, m.origin
FROM messages m JOIN deliveries d
    ON d.message_row = m.message_row AND d.recipient IN (SELECT value FROM json_each(:ones))
WHERE m.message_type = 'edoc' AND m.document_id = :named AND m.sender IN (SELECT value FROM json_each(:others))
UNION ALL
SELECT m.message_row, d.delivery_row, m.message_id, m.origin
FROM messages m CROSS JOIN json_each(:others) o
CROSS JOIN deliveries d ON d.message_row = m.message_row AND d.recipient = o.value
WHERE m.message_type = 'edoc' AND m.document_id = :named AND m.sender = :one
ORDER BY 1 DESC LIMIT 5000

-- name: by_notation
SELECT m.message_row, d.delivery_row, m.message_id, m.origin
FROM messages m JOIN deliveries d
    ON d.message_row = m.message_row AND d.recipient IN (SELECT value FROM json_each(:ones))
WHERE m.message_type = 'edoc' AND m.notation = :notation AND m.promulgation_date = :date AND m.sender IN (SELECT value FROM json_each(:others))
UNION ALL
SELECT m.message_row, d.delivery_row, m.message_id, m.origin
FROM messages m CROSS JOIN json_each(:others) o
CROSS JOIN deliveries d ON d.message_row = m.message_row AND d.recipient = o.value
WHERE m.message_type = 'edoc' AND m.notation = :notation AND m.promulgation_date = :date AND m.sender = :one
ORDER BY 1 DESC LIMIT 5000

-- name: spoken_of
-- Whether anything that came before may speak of a new document: for nearly all nothing does, and this is
-- all they pay.
SELECT EXISTS (SELECT 1 FROM reports WHERE matched_row IS NULL AND document_id = ?2 AND ?2 <> '')
    OR EXISTS (SELECT 1 FROM reports WHERE matched_row IS NULL AND notation = ?3 AND promulgation_date = ?4 AND ?3 <> '')
    OR EXISTS (SELECT 1 FROM reports WHERE matched_row IS NULL AND document_id = ?5)
    OR EXISTS (SELECT 1 FROM obligations WHERE document_id = ?2 AND sender = ?6 AND ?2 <> '')
    OR EXISTS (SELECT 1 FROM obligations WHERE notation = ?3 AND promulgation_date = ?4 AND sender = ?6 AND ?3 <> '')
    OR EXISTS (SELECT 1 FROM obligations WHERE document_id = ?5 AND sender = ?6)
    OR EXISTS (SELECT 1 FROM deliveries d CROSS JOIN reports r ON r.document_id = d.delivery_id
               WHERE d.message_row = ?1 AND r.matched_row IS NULL)
    OR EXISTS (SELECT 1 FROM deliveries d CROSS JOIN obligations o ON o.document_id = d.delivery_id
               WHERE d.message_row = ?1 AND o.sender = ?6)

-- name: early
-- Statuses without a document that may speak of this one: by a name of it first, then by number and date.
SELECT r.message_row FROM json_each(:names) n CROSS JOIN reports r
WHERE r.matched_row IS NULL AND r.document_id = n.value
UNION
SELECT message_row FROM reports
WHERE matched_row IS NULL AND notation = :notation AND notation <> '' AND promulgation_date = :date
ORDER BY 1 LIMIT 200

-- name: report
SELECT r.status_code, r.sender, r.organ_id, r.document_id, r.notation, r.promulgation_date, m.message_id, m.origin,
    m.accepted_at
FROM reports r JOIN messages m ON m.message_row = r.message_row WHERE r.message_row = ?

-- name: others
SELECT recipient FROM deliveries WHERE message_row = ?

-- name: add_report
INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)

-- name: match_report
UPDATE reports SET matched_row = ?2 WHERE message_row = ?1

-- name: match_delivery
INSERT OR IGNORE INTO report_matches VALUES (?, ?)

-- name: state
SELECT d.recipient, coalesce(b.state, 'none') FROM deliveries d
LEFT JOIN business b ON b.delivery_row = d.delivery_row WHERE d.delivery_row = ?

-- name: keep_state
-- Of each code that statistics ask for, when the first came, in whatever order they are matched.
INSERT INTO business (delivery_row, state, said_01, said_02, said_03, said_06)
VALUES (?1, ?2, iif(?3 = '01', ?4, NULL), iif(?3 = '02', ?4, NULL), iif(?3 = '03', ?4, NULL), iif(?3 = '06', ?4, NULL))
ON CONFLICT (delivery_row) DO UPDATE SET state = excluded.state,
    said_01 = min(coalesce(said_01, excluded.said_01), coalesce(excluded.said_01, said_01)),
    said_02 = min(coalesce(said_02, excluded.said_02), coalesce(excluded.said_02, said_02)),
    said_03 = min(coalesce(said_03, excluded.said_03), coalesce(excluded.said_03, said_03)),
    said_06 = min(coalesce(said_06, excluded.said_06), coalesce(excluded.said_06, said_06))

-- name: keep_obligation
INSERT INTO business (delivery_row, obligation) VALUES (?1, ?2)
ON CONFLICT (delivery_row) DO UPDATE SET obligation = excluded.obligation

-- name: add_obligation
INSERT INTO obligations (kind, cause_row, cause_id, cause_origin, cause_digest, cause_delivery_row, sender,
    recipient, document_id, notation, promulgation_date, delivery_row, ours, asked_at, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (cause_digest, recipient, kind, document_id, coalesce(delivery_row, 0)) DO UPDATE
SET cause_row = excluded.cause_row, cause_id = excluded.cause_id, cause_origin = excluded.cause_origin,
    cause_delivery_row = excluded.cause_delivery_row
RETURNING obligation_row

-- name: copy_obligation
-- The same request, about another document of the same name.
INSERT OR IGNORE INTO obligations (kind, cause_row, cause_id, cause_origin, cause_digest, cause_delivery_row, sender,
    recipient, document_id, notation, promulgation_date, delivery_row, ours, asked_at, due_at)
SELECT kind, cause_row, cause_id, cause_origin, cause_digest, cause_delivery_row, sender, recipient, document_id,
    notation, promulgation_date, ?2, ours, asked_at, due_at FROM obligations WHERE obligation_row = ?1

-- name: join_obligation
UPDATE OR IGNORE obligations SET delivery_row = ?2 WHERE obligation_row = ?1 AND delivery_row IS NULL

-- name: count_obligations
SELECT count(*) FROM (SELECT 1 FROM obligations
    WHERE document_id = ?1 AND sender = ?2 AND recipient = ?3 LIMIT ?4)

-- name: early_obligations
-- What was asked of this document before it came. A take-back speaks of every document of its name.
SELECT o.obligation_row, o.kind, o.cause_id, o.cause_origin, o.delivery_row IS NULL, d.delivery_row
FROM json_each(:names) n CROSS JOIN obligations o
JOIN deliveries d ON d.message_row = :row AND d.recipient = o.recipient
WHERE o.document_id = n.value AND o.sender = :sender AND (o.delivery_row IS NULL OR o.kind = 'take-back')
UNION
SELECT o.obligation_row, o.kind, o.cause_id, o.cause_origin, o.delivery_row IS NULL, d.delivery_row
FROM obligations o JOIN deliveries d ON d.message_row = :row AND d.recipient = o.recipient
WHERE o.notation = :notation AND o.notation <> '' AND o.promulgation_date = :date AND o.sender = :sender
  AND (o.delivery_row IS NULL OR o.kind = 'take-back')
ORDER BY 1 LIMIT 5000

-- name: early_of_kin
-- The same, asked of an agency that stands for the recipient by succession, or the other way round.
SELECT DISTINCT o.obligation_row, o.kind, o.cause_id, o.cause_origin, o.delivery_row IS NULL, d.delivery_row
FROM json_each(:kin) k CROSS JOIN deliveries d ON d.message_row = :row AND d.recipient = k.value ->> 0
CROSS JOIN obligations o ON o.recipient = k.value ->> 1 AND o.sender = :sender
    AND (o.document_id IN (SELECT value FROM json_each(:names))
         OR (o.notation = :notation AND o.notation <> '' AND o.promulgation_date = :date))
WHERE o.delivery_row IS NULL OR o.kind = 'take-back'
ORDER BY 1 LIMIT 5000

-- name: spot
SELECT d.delivery_row, d.state, d.reason, d.next_hop, d.transfer_id, d.delivery_id, m.message_id, d.recipient
FROM deliveries d JOIN messages m ON m.message_row = d.message_row WHERE d.delivery_row = ?

-- name: delivery_to
SELECT delivery_row, next_hop FROM deliveries WHERE message_row = ? AND recipient = ?

-- name: take_back
UPDATE deliveries SET state = ?2, updated_at = ?3, settled_at = ?3 WHERE delivery_row = ?1

-- name: await_proof
INSERT OR IGNORE INTO verdicts VALUES (?, ?)

-- name: take_backs_of
SELECT obligation_row, verdict FROM obligations WHERE kind = 'take-back' AND delivery_row = ?1
UNION SELECT obligation_row, verdict FROM obligations WHERE kind = 'take-back' AND cause_delivery_row = ?1

-- name: causes_about
-- The take-backs that ask for a document, as they stand here.
SELECT DISTINCT cause_delivery_row FROM obligations
WHERE kind = 'take-back' AND delivery_row = ? AND cause_delivery_row IS NOT NULL

-- name: asked_by
-- The documents that a take-back asks for; NULL for one that is not here.
SELECT delivery_row FROM obligations WHERE kind = 'take-back' AND cause_delivery_row = ?

-- name: keep_verdict
UPDATE obligations SET verdict = ?2 WHERE obligation_row = ?1

-- name: obligations_about
-- All that is asked about the documents that a delivery has to do with, in the order it was asked.
SELECT o.obligation_row, o.delivery_row, o.cause_delivery_row, o.verdict, o.answer, o.state, o.kind, o.cause_id,
    o.recipient
FROM obligations o WHERE o.obligation_row IN (
    SELECT obligation_row FROM obligations WHERE delivery_row = ?1
    UNION SELECT p.obligation_row FROM obligations c JOIN obligations p ON p.delivery_row = c.delivery_row
    WHERE c.cause_delivery_row = ?1
    UNION SELECT obligation_row FROM obligations WHERE cause_delivery_row = ?1)
ORDER BY o.cause_id, o.obligation_row

-- name: answers_to
-- How many different 15 and 16 speak of a delivery; a repeat is the same bytes. What was matched is from one
-- of its two sides, and the recipient's may be a successor.
SELECT count(DISTINCT iif(CAST(r.status_code AS INTEGER) = 15, m.digest, NULL)),
    count(DISTINCT iif(CAST(r.status_code AS INTEGER) = 16, m.digest, NULL))
FROM report_matches x JOIN reports r ON r.message_row = x.report_row
JOIN messages m ON m.message_row = r.message_row
JOIN deliveries d ON d.delivery_row = x.delivery_row
JOIN messages o ON o.message_row = d.message_row
WHERE x.delivery_row = ? AND (r.sender = d.recipient OR r.sender <> o.sender) AND r.status_code IN ('15', '16')

-- name: keep_answer
UPDATE obligations SET answer = ?2, state = ?3, settled_at = iif(?4 IS NULL, NULL, coalesce(settled_at, ?4))
WHERE obligation_row = ?1

-- name: unproven
SELECT v.delivery_row, v.reason, m.message_row, m.message_id, m.origin, m.digest, m.size_bytes, d.recipient,
    d.next_hop, a.receipt, a.transfer_id, a.neighbour
FROM verdicts v JOIN deliveries d ON d.delivery_row = v.delivery_row
JOIN messages m ON m.message_row = d.message_row JOIN arrivals a ON a.arrival_row = d.arrival_row
ORDER BY v.delivery_row LIMIT ?

-- name: proven
DELETE FROM verdicts WHERE delivery_row = ? AND reason = ?

-- name: overdue
SELECT o.obligation_row, o.kind, o.cause_id, o.sender, o.recipient, o.state, o.due_at, m.message_id
FROM obligations o LEFT JOIN deliveries d ON d.delivery_row = o.delivery_row
LEFT JOIN messages m ON m.message_row = d.message_row
WHERE o.told = 0 AND o.ours = 1 AND o.state IN ('requested', 'destruction-asked') AND o.due_at <= ?
ORDER BY o.due_at LIMIT ?

-- name: told
UPDATE obligations SET told = 1 WHERE obligation_row = ? AND told = 0

-- name: list
SELECT o.obligation_row, o.kind, o.state, o.answer, o.cause_id, m.message_id, d.delivery_id, o.sender, o.recipient,
    o.document_id, o.notation, o.promulgation_date, o.asked_at, o.due_at, o.settled_at, d.reason
FROM obligations o LEFT JOIN deliveries d ON d.delivery_row = o.delivery_row
LEFT JOIN messages m ON m.message_row = d.message_row
WHERE o.obligation_row > :after
  AND (:agencies IS NULL OR o.sender IN (SELECT value FROM json_each(:agencies))
       OR o.recipient IN (SELECT value FROM json_each(:agencies)))
  AND (:agency IS NULL OR o.sender = :agency OR o.recipient = :agency)
  AND (:state IS NULL OR o.state = :state)
  AND (:overdue IS NULL OR (o.due_at <= :overdue AND o.state IN ('requested', 'destruction-asked')))
ORDER BY o.obligation_row LIMIT :limit

-- name: of_message
-- What is asked about a document, and what a message itself asks; last, the delivery it is shown with.
SELECT o.obligation_row, o.kind, o.state, o.answer, o.cause_id, m.message_id, d.delivery_id, o.sender, o.recipient,
    o.document_id, o.notation, o.promulgation_date, o.asked_at, o.due_at, o.settled_at, d.reason, d.delivery_id
FROM deliveries d JOIN obligations o ON o.delivery_row = d.delivery_row
JOIN messages m ON m.message_row = d.message_row
WHERE d.message_row = ?1
UNION ALL
SELECT o.obligation_row, o.kind, o.state, o.answer, o.cause_id, m.message_id, d.delivery_id, o.sender, o.recipient,
    o.document_id, o.notation, o.promulgation_date, o.asked_at, o.due_at, o.settled_at, d.reason, c.delivery_id
FROM obligations o JOIN deliveries c ON c.delivery_row = o.cause_delivery_row
LEFT JOIN deliveries d ON d.delivery_row = o.delivery_row
LEFT JOIN messages m ON m.message_row = d.message_row
WHERE o.cause_row = ?1
ORDER BY 1

-- name: arrivals_to_tell
SELECT a.delivery_row, d.delivery_id, d.recipient, d.addressed_as, m.sender_as, m.notation, m.promulgation_date,
    m.document_id, coalesce(b.state, 'none')
FROM arrived a JOIN deliveries d ON d.delivery_row = a.delivery_row
JOIN messages m ON m.message_row = d.message_row
LEFT JOIN business b ON b.delivery_row = a.delivery_row
ORDER BY a.delivery_row LIMIT ?

-- name: arrival_told
DELETE FROM arrived WHERE delivery_row = ?

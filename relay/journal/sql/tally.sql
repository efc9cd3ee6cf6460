-- name: begin
-- A row for each new delivery of a document. Its day is that of the message itself: deliveries that come
-- later, after a restore or by another transfer, belong to it.
INSERT INTO figures
SELECT (m.accepted_at + 25200000) / 86400000, d.delivery_row, m.sender, d.recipient,
    m.first_row IS NULL AND d.delivery_row = :first
        AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.message_row = m.message_row AND o.delivery_row < :first),
    :kept, :type, :paper, :issued, :due, :handed, d.available_at,
    iif(d.state IN ('refused', 'expired', 'cancelled', 'taken-back'), d.state, NULL), NULL, NULL, NULL, NULL
FROM messages m JOIN deliveries d ON d.message_row = m.message_row AND d.delivery_row >= :first
WHERE m.message_row = :message

-- name: said
-- The first of each code counts. When it came is when its message was accepted here.
UPDATE figures
SET said_01 = iif(:code = '01', min(coalesce(said_01, s.accepted_at), s.accepted_at), said_01),
    said_02 = iif(:code = '02', min(coalesce(said_02, s.accepted_at), s.accepted_at), said_02),
    said_03 = iif(:code = '03', min(coalesce(said_03, s.accepted_at), s.accepted_at), said_03),
    said_06 = iif(:code = '06', min(coalesce(said_06, s.accepted_at), s.accepted_at), said_06)
FROM messages s
WHERE s.message_row = :report AND figures.delivery_row = :delivery
  AND figures.day = (SELECT (m.accepted_at + 25200000) / 86400000 FROM deliveries d
                     JOIN messages m ON m.message_row = d.message_row WHERE d.delivery_row = :delivery)

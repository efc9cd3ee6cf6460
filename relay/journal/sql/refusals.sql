-- name: waiting
-- What may yet turn out to have arrived is not told of.
SELECT d.delivery_row, d.delivery_id, d.state, d.addressed_as, d.reason, d.detail, d.failed_at_node,
    m.sender_as, m.notation, m.promulgation_date, m.document_id
FROM refusals r JOIN deliveries d ON d.delivery_row = r.delivery_row
JOIN messages m ON m.message_row = d.message_row
WHERE d.reason IS NOT 'outcome-unknown'
ORDER BY r.delivery_row LIMIT ?

-- name: told
DELETE FROM refusals WHERE delivery_row = ?

-- name: wait
-- Of what was judged already nothing waits.
INSERT INTO judging SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM judged WHERE message_row = ?1)
ON CONFLICT DO NOTHING

-- name: unjudged
SELECT m.message_row, m.message_id, m.origin, m.sender, m.digest, m.accepted_at,
    (SELECT json_group_array(d.recipient) FROM deliveries d WHERE d.message_row = m.message_row)
FROM judging j JOIN messages m ON m.message_row = j.message_row ORDER BY j.message_row LIMIT ?

-- name: judged_now
DELETE FROM judging WHERE message_row = ?

-- name: keep
INSERT INTO judged VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: keep_part
INSERT INTO judgements VALUES (?, ?, ?, ?)

-- name: judged
SELECT verdict, flaws, known_at FROM judged WHERE message_row = ?

-- name: waits
SELECT 1 FROM judging WHERE message_row = ?

-- name: parts
SELECT part FROM judgements WHERE message_row = ? ORDER BY position

-- name: find
-- Of messages that share an id by another origin's ill will, this node's own comes first.
SELECT message_row FROM messages WHERE message_id = ?1 ORDER BY origin = ?2 DESC, message_row LIMIT 1

-- name: was_accepted
SELECT 1 FROM submissions WHERE submission_key = ?

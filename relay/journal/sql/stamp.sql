-- name: mark
SELECT message_row FROM stamps_mark

-- name: keep_mark
UPDATE stamps_mark SET message_row = ?

-- name: sealed
-- The next messages that were sealed here; one whose seal still waits ends the look, for it comes next.
SELECT message_row, accepted_at, seal FROM messages
WHERE message_row > ? AND origin = ? ORDER BY message_row LIMIT ?

-- name: seal_of
SELECT message_row, seal FROM messages WHERE message_id = ? AND origin = ? AND seal IS NOT NULL

-- name: want
INSERT INTO stamps (kind, name, message_row, content, wanted_at, not_before) VALUES (?, ?, ?, ?, ?5, ?5)
ON CONFLICT (kind, name) DO NOTHING

-- name: newest_head
SELECT name, wanted_at FROM stamps WHERE kind = 'head' ORDER BY stamp_row DESC LIMIT 1

-- name: due
SELECT stamp_row, kind, content, attempts FROM stamps
WHERE token IS NULL AND not_before <= ? ORDER BY not_before, stamp_row LIMIT ?

-- name: stamped
UPDATE stamps SET authority = ?, token = ?, gen_time = ?, last_error = '' WHERE stamp_row = ? AND token IS NULL

-- name: failed
UPDATE stamps SET attempts = attempts + 1, last_error = ?, not_before = ? WHERE stamp_row = ? AND token IS NULL

-- name: of_message
SELECT s.token FROM stamps s JOIN messages m ON m.message_row = s.message_row
WHERE m.message_id = ? AND m.origin = ? AND s.kind = 'seal' AND s.token IS NOT NULL

-- name: standing
-- The error beside the minimum is that of the row that waits longest (SQLite, bare columns of an aggregate).
SELECT kind, count(*) - count(token), count(token), max(gen_time),
    min(CASE WHEN token IS NULL THEN wanted_at END), last_error
FROM stamps GROUP BY kind ORDER BY kind

-- name: heads
SELECT content, token, authority, gen_time FROM stamps WHERE kind = 'head' AND token IS NOT NULL
ORDER BY stamp_row DESC LIMIT ?

-- name: candidates
-- Messages in the order in which they came; whether one can go to an archive and has not yet, or has got
-- receipts since it went.
SELECT m.message_row, m.seal IS NOT NULL AND iif(
    EXISTS (SELECT 1 FROM archived a WHERE a.message_row = m.message_row),
    (SELECT count(*) FROM receipts r WHERE r.message_row = m.message_row)
        > (SELECT max(a.receipts) FROM archived a WHERE a.message_row = m.message_row),
    EXISTS (SELECT 1 FROM payloads p WHERE p.digest = m.digest))
FROM messages m WHERE m.message_row > ? ORDER BY m.message_row LIMIT ?

-- name: due
SELECT m.message_row, m.origin, m.message_id, m.digest,
    (SELECT count(*) FROM receipts r WHERE r.message_row = m.message_row),
    EXISTS (SELECT 1 FROM payloads p WHERE p.digest = m.digest),
    EXISTS (SELECT 1 FROM archived a WHERE a.message_row = m.message_row)
FROM messages m WHERE m.message_row IN (SELECT value FROM json_each(?)) ORDER BY m.message_row

-- name: newest
SELECT number, name, digest, previous, size_bytes, messages, written_at
FROM archive_files ORDER BY number DESC LIMIT 1

-- name: files
SELECT number, name, digest, previous, size_bytes, messages, written_at
FROM archive_files WHERE number > ? ORDER BY number LIMIT ?

-- name: add_file
INSERT INTO archive_files VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: add_message
INSERT INTO archived VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: find
-- The newest; of two origins under one id, this node's own.
SELECT f.name, a.start, a.size_bytes, a.digest, a.readers, a.origin, a.envelope, a.envelope_bytes,
    EXISTS (SELECT 1 FROM messages m WHERE m.message_row = a.message_row)
        AND (SELECT count(*) FROM receipts r WHERE r.message_row = a.message_row) > a.receipts
FROM archived a JOIN archive_files f ON f.number = a.number
WHERE a.message_id = ?1 AND (?3 = '' OR a.origin = ?3) ORDER BY a.origin <> ?2, a.number DESC LIMIT 1

-- name: still_here
-- Of these messages, how many have their payload in the journal, or in a file that it knows.
SELECT count(*) FROM json_each(?) r JOIN messages m ON m.origin = r.value ->> 0 AND m.message_id = r.value ->> 1
WHERE EXISTS (SELECT 1 FROM payloads p WHERE p.digest = m.digest)
    OR EXISTS (SELECT 1 FROM archived a WHERE a.message_row = m.message_row)

-- name: announced
SELECT value FROM meta WHERE name = 'archive-announced'

-- name: announce
INSERT INTO meta VALUES ('archive-announced', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: announced_no_more
DELETE FROM meta WHERE name = 'archive-announced'

-- name: known_message
SELECT EXISTS (SELECT 1 FROM messages WHERE message_id = ?1)
    OR EXISTS (SELECT 1 FROM archived WHERE message_id = ?1)

-- name: hold
INSERT INTO holds VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: release
DELETE FROM holds WHERE kind = ? AND name = ?

-- name: holds
SELECT kind, name, by, why, held_at FROM holds WHERE kind > ?1 OR (kind = ?1 AND name > ?2)
ORDER BY kind, name LIMIT ?3

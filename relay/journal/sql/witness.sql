-- name: held
SELECT origin, size, root, note FROM witness_logs WHERE origin = ?

-- name: seen
SELECT origin, size, root, note FROM witness_seen WHERE origin = ? AND size = ?

-- name: newest
SELECT origin, size, root, note FROM witness_logs WHERE log = ? ORDER BY epoch DESC, cosigned_at DESC LIMIT 1

-- name: stopped
SELECT 1 FROM witness_alarms WHERE log = ? AND cleared_at IS NULL AND kind <> 'rolled-back' LIMIT 1

-- name: rolled_back
SELECT 1 FROM witness_alarms WHERE log = ? AND cleared_at IS NULL AND kind = 'rolled-back' LIMIT 1

-- name: goes_on
UPDATE witness_alarms SET cleared_at = ? WHERE log = ? AND cleared_at IS NULL AND kind = 'rolled-back'

-- name: hold
INSERT INTO witness_logs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (origin) DO UPDATE SET size = ?4, root = ?5, note = ?6, cosigned_at = ?7

-- name: let_in
INSERT INTO witness_logs VALUES (?, ?, ?, 0, ?, x'', ?) ON CONFLICT (origin) DO NOTHING

-- name: see
INSERT INTO witness_seen (origin, size, root, note) VALUES (?, ?, ?, ?) ON CONFLICT (origin, size) DO NOTHING

-- name: thin
DELETE FROM witness_seen WHERE origin = ?1 AND size <
    (SELECT size FROM witness_seen WHERE origin = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)

-- name: alarm
INSERT INTO witness_alarms (log, origin, kind, why, ours, theirs, proof, leaf, handed_in_by, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: open_of_origin
SELECT DISTINCT log FROM witness_alarms WHERE origin = ? AND cleared_at IS NULL

-- name: clear
UPDATE witness_alarms SET cleared_at = ? WHERE log = ? AND cleared_at IS NULL RETURNING origin

-- name: alarms
SELECT * FROM witness_alarms ORDER BY alarm_row DESC LIMIT ?

-- name: watched
SELECT log, origin, size, cosigned_at, note FROM witness_logs WHERE size > 0 ORDER BY log, epoch LIMIT ?

-- name: key
SELECT public_key, certificates FROM witness_keys WHERE node = ?

-- name: pin
INSERT INTO witness_keys VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (node) DO UPDATE SET public_key = ?2, certificates = ?3, since = ?4

-- name: put_by
INSERT OR REPLACE INTO witness_keys_before SELECT * FROM witness_keys WHERE node = ?

-- name: keep
INSERT INTO cosignatures VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (witness, origin) DO UPDATE SET size = ?3, note = ?4, line = ?5, at = ?6 WHERE ?3 >= size

-- name: sizes
SELECT witness, size FROM cosignatures WHERE origin = ?

-- name: newest_cosigned
SELECT note, line, witness, size, at FROM cosignatures WHERE origin = ?1 AND size =
    (SELECT max(size) FROM cosignatures WHERE origin = ?1) ORDER BY witness

-- name: cosigned
SELECT witness, size, at FROM cosignatures WHERE origin = ? ORDER BY witness

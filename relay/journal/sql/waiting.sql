-- name: of
SELECT deliveries, size_bytes FROM waiting WHERE party = ?

-- name: all
SELECT party, deliveries, size_bytes FROM waiting

-- name: add
INSERT INTO waiting VALUES (?, 0, 0)

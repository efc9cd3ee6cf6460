-- name: of
SELECT deliveries, size_bytes FROM waiting WHERE party = ?

-- name: all
SELECT party, deliveries, size_bytes FROM waiting

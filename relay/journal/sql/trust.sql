-- name: trusted
SELECT listed_as, sha256 FROM trusted ORDER BY listed_as, sha256

-- name: trust
INSERT INTO trusted (listed_as, sha256, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING

-- name: forget
DELETE FROM trusted WHERE listed_as = ? AND sha256 = ?

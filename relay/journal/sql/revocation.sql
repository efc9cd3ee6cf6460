-- name: store
INSERT INTO statements (digest, kind, about, content, certificate, issuer, this_update, next_update, stored_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING

-- name: drop_older
-- What nothing was judged by; of the rest those that were made while an earlier one of them was in force.
DELETE FROM statements WHERE kind = ?1 AND about = ?2 AND this_update < ?3 AND (kept = 0 OR EXISTS
    (SELECT 1 FROM statements s WHERE s.kind = ?1 AND s.about = ?2 AND s.kept = 1
       AND s.this_update < statements.this_update
       AND statements.this_update <= coalesce(s.next_update, s.this_update + 86400000)))

-- name: forget
-- Of certificates that were not met for long, and by which nothing was judged.
DELETE FROM statements WHERE kept = 0 AND stored_at < ?

-- name: keep
UPDATE statements SET kept = 1 WHERE digest = ? AND kept = 0

-- name: contents
SELECT DISTINCT digest, content FROM statements WHERE digest IN (SELECT value FROM json_each(?))

-- name: newest
SELECT digest, kind, about, content, certificate, issuer, max(this_update), next_update FROM statements
GROUP BY kind, about

-- name: newest_about
-- The same of one issuer or certificate; of an issuer also about parts of its (see as_of).
SELECT digest, kind, about, content, certificate, issuer, max(this_update), next_update FROM statements
WHERE kind = ?1 AND about >= ?2 AND about < ?2 || ';' GROUP BY about

-- name: as_of
-- What was said about it, or about parts of an issuer's (`about` with a scope behind a colon): of each the
-- last before an instant, and the first from it on.
SELECT digest, kind, content, max(this_update), next_update FROM statements
WHERE kind = ?1 AND about >= ?2 AND about < ?2 || ';' AND this_update <= ?3 GROUP BY about
UNION ALL
SELECT digest, kind, content, min(this_update), next_update FROM statements
WHERE kind = ?1 AND about >= ?2 AND about < ?2 || ';' AND this_update > ?3 GROUP BY about

-- name: signatures
-- A message's seal, and the signatures of its receipts. Of messages that share an id by another origin's
-- ill will, this node's own comes first.
WITH it AS (SELECT message_row, seal FROM messages WHERE message_id = ?1
            ORDER BY origin = ?2 DESC, message_row LIMIT 1)
SELECT seal FROM it
UNION ALL
SELECT * FROM (SELECT r.signature FROM receipts r JOIN it ON r.message_row = it.message_row
               ORDER BY r.rowid LIMIT ?3)

-- name: remember
INSERT INTO met_certificates VALUES (?1, ?2, ?3, ?4) ON CONFLICT (certificate) DO UPDATE SET met_at = ?4

-- name: forget_oldest
DELETE FROM met_certificates WHERE certificate IN
    (SELECT certificate FROM met_certificates ORDER BY met_at DESC LIMIT -1 OFFSET ?)

-- name: remembered
SELECT content, issuer FROM met_certificates ORDER BY met_at LIMIT ?

-- name: note_revoked
INSERT INTO revoked_certificates VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING

-- name: note_restored
DELETE FROM revoked_certificates WHERE certificate = ?

-- name: noted
SELECT * FROM revoked_certificates ORDER BY noted_at

-- name: sealed_by
-- One page of what waits, and of it what is sealed by the certificate of this SHA-256 (in base64, as every
-- seal holds it, though white space may stand in it) and was not released by an operator since its revocation was noted.
WITH page AS MATERIALIZED (
    SELECT d.expires_at, d.delivery_row, d.message_row, d.state FROM deliveries d INDEXED BY deliveries_waiting
    WHERE d.state IN ('sealing', 'queued', 'in-flight', 'in-doubt') AND (d.expires_at, d.delivery_row) > (?1, ?2)
    ORDER BY d.expires_at, d.delivery_row LIMIT ?3)
SELECT p.expires_at, p.delivery_row,
    p.state = 'queued' AND (instr(m.seal, CAST(?4 AS BLOB)) > 0 OR instr(replace(replace(replace(replace(
        m.seal, ' ', ''), char(9), ''), char(10), ''), char(13), ''), ?4) > 0) AND NOT EXISTS
        (SELECT 1 FROM interventions i WHERE i.delivery_row = p.delivery_row
           AND i.action IN ('release', 'requeue', 'redirect') AND i.at >= ?5)
FROM page p JOIN messages m ON m.message_row = p.message_row ORDER BY p.expires_at, p.delivery_row

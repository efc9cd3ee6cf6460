-- name: own
SELECT record FROM directory_own

-- name: nodes
SELECT node_id, tier, parent FROM directory_nodes

-- name: documents
SELECT issuer, document, signature FROM directory_documents

-- name: document
SELECT document, signature FROM directory_documents WHERE issuer = ?

-- name: ledger
SELECT number, code, version, modified_at, standing, record FROM directory_ledger

-- name: put_own
INSERT INTO directory_own VALUES (?1, ?2) ON CONFLICT (code) DO UPDATE SET record = ?2

-- name: put_node
INSERT INTO directory_nodes VALUES (?1, ?2, ?3)
ON CONFLICT (node_id) DO UPDATE SET tier = ?2, parent = ?3

-- name: put_document
INSERT INTO directory_documents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (issuer) DO UPDATE SET
    version = ?2, digest = ?3, expires_at = ?4, taken_at = ?5, document = ?6, signature = ?7

-- name: put_ledger
INSERT INTO directory_ledger VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (number) DO UPDATE SET version = ?3, modified_at = ?4, standing = ?5, record = ?6

-- name: ask
INSERT INTO directory_requests (systemid, kind, code, record, state, asked_at)
VALUES (?, ?, ?, ?, 'pending', ?)

-- name: request
SELECT request_id, systemid, kind, code, record, state, asked_at, decided_at, by_whom, why
FROM directory_requests WHERE request_id = ?

-- name: newest_of
SELECT request_id, systemid, kind, code, record, state, asked_at, decided_at, by_whom, why
FROM directory_requests WHERE systemid = ? AND code = ? ORDER BY request_id DESC LIMIT 1

-- name: pending
SELECT request_id, systemid, kind, code, record, state, asked_at, decided_at, by_whom, why
FROM directory_requests WHERE state = 'pending' AND request_id > ? ORDER BY request_id LIMIT ?

-- name: count_pending
SELECT count(*) FROM directory_requests WHERE state = 'pending'

-- name: decide
UPDATE directory_requests SET state = ?2, decided_at = ?3, by_whom = ?4, why = ?5
WHERE request_id = ?1 AND state = 'pending'

-- name: registered
SELECT DISTINCT systemid, code FROM directory_requests WHERE state = 'approved' AND kind = 'register'

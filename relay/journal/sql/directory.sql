-- name: force
SELECT change, as_of, tree FROM directory_force

-- name: put_force
UPDATE directory_force SET change = ?, as_of = ?, tree = ?

-- name: own
SELECT code, record FROM directory_own
WHERE change <= (SELECT change FROM directory_force) ORDER BY code, change

-- name: nodes
SELECT node_id, tier, parent FROM directory_nodes

-- name: held
SELECT issuer, version, digest, expires_at FROM directory_documents

-- name: documents
SELECT issuer, version, document FROM directory_documents

-- name: document
SELECT document, signature FROM directory_documents WHERE issuer = ?

-- name: ledger
SELECT code, record, number, version, modified_at, standing FROM directory_ledger
WHERE change <= (SELECT change FROM directory_force) ORDER BY code, change

-- name: many
SELECT EXISTS (SELECT 1 FROM directory_ledger LIMIT 1 OFFSET ?1)
    OR EXISTS (SELECT 1 FROM directory_own LIMIT 1 OFFSET ?1)
    OR EXISTS (SELECT 1 FROM directory_documents WHERE length(document) > 100 * ?1)

-- name: put_own
INSERT OR REPLACE INTO directory_own VALUES (?, ?, ?)

-- name: put_ledger
INSERT OR REPLACE INTO directory_ledger VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: any_own
SELECT EXISTS (SELECT 1 FROM directory_own WHERE code BETWEEN ?1 AND ?2 AND change < ?3)

-- name: any_ledger
SELECT EXISTS (SELECT 1 FROM directory_ledger WHERE code BETWEEN ?1 AND ?2 AND change < ?3)

-- name: forget_own
DELETE FROM directory_own WHERE code BETWEEN ?1 AND ?2 AND change < ?3
AND EXISTS (SELECT 1 FROM directory_own later WHERE later.code = directory_own.code AND later.change = ?3)

-- name: forget_ledger
DELETE FROM directory_ledger WHERE code BETWEEN ?1 AND ?2 AND change < ?3
AND EXISTS (
    SELECT 1 FROM directory_ledger later
    WHERE later.code = directory_ledger.code AND later.change = ?3
)

-- name: undo_own
DELETE FROM directory_own WHERE change > (SELECT change FROM directory_force)

-- name: undo_ledger
DELETE FROM directory_ledger WHERE change > (SELECT change FROM directory_force)

-- name: put_node
INSERT INTO directory_nodes VALUES (?1, ?2, ?3)
ON CONFLICT (node_id) DO UPDATE SET tier = ?2, parent = ?3

-- name: put_document
INSERT INTO directory_documents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (issuer) DO UPDATE SET
    version = ?2, digest = ?3, expires_at = ?4, taken_at = ?5, document = ?6, signature = ?7

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

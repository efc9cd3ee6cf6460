-- name: tables
CREATE TABLE facts (
    side INTEGER NOT NULL, entry INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL,
    transfer TEXT, message TEXT, digest TEXT, receipt TEXT, issuer TEXT, recipient TEXT
)

-- name: add
INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: index
CREATE INDEX IF NOT EXISTS by_transfer ON facts (transfer, side, kind) WHERE transfer IS NOT NULL

-- name: index_receipts
CREATE INDEX IF NOT EXISTS by_message ON facts (message, recipient, side, kind)

-- name: transfers
SELECT transfer, coalesce(max(message), ''),
    min(CASE WHEN side = :sender THEN entry END), min(CASE WHEN side = :sender THEN at END),
    min(CASE WHEN side = :receiver THEN entry END), min(CASE WHEN side = :receiver THEN at END),
    count(DISTINCT digest), count(DISTINCT message),
    sum(kind = 'frozen'), sum(kind = 'answered'),
    sum(kind = 'answered' AND EXISTS (
        SELECT 1 FROM facts f WHERE f.transfer = facts.transfer AND f.side = :receiver
        AND f.kind IN ('taken', 'refused') AND f.receipt = facts.receipt)),
    sum(kind = 'freed'), sum(kind = 'in-doubt'), sum(kind = 'recovered'), sum(kind = 'lost')
FROM facts WHERE transfer IS NOT NULL AND (
    side = :sender AND kind IN ('frozen', 'answered', 'freed', 'postponed', 'in-doubt', 'recovered', 'lost')
    OR side = :receiver AND kind IN ('taken', 'refused'))
GROUP BY transfer ORDER BY transfer

-- name: recipients
SELECT DISTINCT recipient FROM facts
WHERE transfer = ? AND side = ? AND kind IN ('frozen', 'taken', 'refused') ORDER BY recipient

-- name: receipts
SELECT r.receipt, r.message, min(r.at), min(r.entry) FROM facts r
WHERE r.side = :holder AND r.kind = 'receipt' AND EXISTS (
    SELECT 1 FROM facts t WHERE t.message = r.message AND t.recipient = r.recipient
    AND t.side = :holder AND t.kind IN ('taken', 'refused'))
AND NOT EXISTS (
    SELECT 1 FROM facts o WHERE o.message = r.message AND o.recipient = r.recipient
    AND o.side = :lacks AND o.kind = 'receipt' AND o.receipt = r.receipt)
GROUP BY r.receipt, r.message ORDER BY r.message, r.receipt

-- name: unknown_receipts
SELECT r.receipt, r.message, min(r.at), min(r.entry) FROM facts r
WHERE r.side = :holder AND r.kind = 'receipt' AND r.issuer = :node AND NOT EXISTS (
    SELECT 1 FROM facts o WHERE o.message = r.message AND o.recipient = r.recipient
    AND o.side = :issuer AND o.kind IN ('receipt', 'taken', 'refused', 'answer') AND o.receipt = r.receipt)
GROUP BY r.receipt, r.message ORDER BY r.message, r.receipt

-- name: counts
SELECT count(DISTINCT transfer), count(DISTINCT receipt) FROM facts WHERE kind <> 'answer'

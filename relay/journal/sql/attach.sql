-- name: mark
SELECT entry_index FROM attach_mark

-- name: keep_mark
UPDATE attach_mark SET entry_index = ?

-- name: of_receipts
-- Entries that name a receipt which this node signed and somebody else may have been given, passages among them.
SELECT entry_index, leaf FROM entries WHERE entry_index >= ? AND entry_index < ?
    AND (instr(leaf, ?) OR instr(leaf, ?) OR instr(leaf, ?) OR instr(leaf, ?)) ORDER BY entry_index LIMIT ?

-- name: travels_to
-- Of pairs of a receipt and a recipient it speaks of: the neighbours that those deliveries came from.
SELECT DISTINCT r.digest, a.neighbour FROM json_each(?) j
CROSS JOIN receipts r ON r.digest = json_extract(j.value, '$[0]')
CROSS JOIN deliveries d ON d.message_row = r.message_row AND d.recipient = json_extract(j.value, '$[1]')
CROSS JOIN arrivals a ON a.arrival_row = d.arrival_row
WHERE a.neighbour IS NOT NULL

-- name: queue
INSERT INTO attachments (receipt, neighbour, entry_index, not_before, queued_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (receipt, neighbour, about) DO NOTHING

-- name: queue_again
-- A better proof than the one that went there.
INSERT INTO attachments (receipt, neighbour, entry_index, not_before, queued_at) VALUES (?, ?, NULL, ?, ?)
ON CONFLICT (receipt, neighbour, about) DO UPDATE SET not_before = excluded.not_before

-- name: queue_passage
-- In a row of its own number: the answer to an earlier one that is under way now does not take it away.
INSERT OR REPLACE INTO attachments (receipt, neighbour, about, entry_index, not_before, queued_at) VALUES (?, ?, ?, ?, ?, ?)

-- name: backed_up
-- More receipts wait for it than go in one request: those go first.
SELECT count(*) > 100 FROM (SELECT 1 FROM returns WHERE neighbour = ? AND parked = 0 LIMIT 101)

-- name: due
-- None goes ahead of its receipt.
SELECT t.attach_row, t.receipt, t.entry_index, t.attempts, coalesce(s.proof, p.proof), t.about FROM attachments t INDEXED BY attachments_due
LEFT JOIN receipt_proofs p ON p.receipt = t.receipt AND t.about = ''
LEFT JOIN passages s ON s.receipt = t.receipt AND s.about = t.about
WHERE t.neighbour = ?1 AND t.not_before <= ?2
  AND NOT EXISTS (SELECT 1 FROM returns r WHERE r.neighbour = ?1 AND r.receipt = t.receipt)
ORDER BY t.not_before LIMIT ?3

-- name: whose
-- The neighbours for which any is due: one step in the index for each, however many wait.
WITH RECURSIVE whose (neighbour) AS
    (SELECT min(neighbour) FROM attachments UNION ALL
     SELECT (SELECT min(neighbour) FROM attachments WHERE neighbour > whose.neighbour) FROM whose
     WHERE whose.neighbour IS NOT NULL)
SELECT neighbour FROM whose WHERE neighbour IS NOT NULL
  AND EXISTS (SELECT 1 FROM attachments t WHERE t.neighbour = whose.neighbour AND t.not_before <= ?)

-- name: done
DELETE FROM attachments WHERE attach_row = ?

-- name: put_off
UPDATE attachments SET attempts = attempts + 1, not_before = ?2 WHERE attach_row = ?1

-- name: waiting
SELECT neighbour, count(*) FROM attachments GROUP BY neighbour

-- name: old
SELECT neighbour, count(*) FROM attachments WHERE queued_at < ? GROUP BY neighbour

-- name: drop_old
DELETE FROM attachments WHERE attach_row IN
    (SELECT attach_row FROM attachments WHERE queued_at < ? AND neighbour = ? LIMIT ?)

-- name: drop_first
DELETE FROM attachments WHERE attach_row IN
    (SELECT attach_row FROM attachments WHERE neighbour = ? ORDER BY attach_row LIMIT ?)

-- name: keep
-- The first stays, unless nobody had cosigned its head and somebody did that of the other.
INSERT INTO receipt_proofs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (receipt) DO UPDATE
SET log = excluded.log, size = excluded.size, cosigned = excluded.cosigned, proof = excluded.proof, kept_at = excluded.kept_at
WHERE receipt_proofs.cosigned = 0 AND excluded.cosigned > 0

-- name: keep_passage
-- Of the same recipients the newest, by the clock of the node that tells.
INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (receipt, about) DO UPDATE
SET told_at = excluded.told_at, leaf = excluded.leaf, proof = excluded.proof, kept_at = excluded.kept_at
WHERE excluded.told_at > passages.told_at

-- name: fewer_passages
DELETE FROM passages WHERE receipt = ?1 AND about IN
    (SELECT about FROM passages WHERE receipt = ?1 ORDER BY told_at DESC LIMIT -1 OFFSET ?2)

-- name: drop_passages
DELETE FROM attachments WHERE attach_row IN
    (SELECT attach_row FROM attachments WHERE neighbour = ? AND about <> '' LIMIT ?)

-- name: known
SELECT digest, document, signature, issuer FROM receipts WHERE digest IN (SELECT value FROM json_each(?))

-- name: proof
SELECT proof FROM receipt_proofs WHERE receipt = ?

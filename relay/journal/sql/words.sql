-- name: of_holder
SELECT DISTINCT w.entry_index
FROM entry_words w, json_each(CASE WHEN json_valid(w.words) THEN w.words ELSE '{}' END) each
WHERE w.entry_index > ?1 AND w.entry_index <= ?2 AND each.key NOT LIKE '%why'
  AND (each.value = ?3 OR each.value = 'local:' || ?3
       OR (each.value LIKE 'token:%' AND substr(each.value, 7 + instr(substr(each.value, 7), ':')) = ?3))
ORDER BY w.entry_index LIMIT ?4

-- name: older
SELECT w.entry_index FROM entry_words w JOIN entries e ON e.entry_index = w.entry_index
WHERE w.entry_index > ?1 AND w.entry_index <= ?2 AND json_extract(CAST(e.leaf AS TEXT), '$.at') < ?3
ORDER BY w.entry_index LIMIT ?4

-- name: newest
SELECT coalesce(max(entry_index), -1) FROM entries

-- name: forget
DELETE FROM entry_words WHERE entry_index = ?

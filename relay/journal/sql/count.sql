-- Statistics are counted slice by slice into tables of the counting connection's own, which spill to a file of
-- their own: neither memory nor any snapshot of the journal grows with the number of messages.

-- name: counted
CREATE TEMP TABLE counted (
    period INTEGER NOT NULL, agency TEXT NOT NULL, type TEXT NOT NULL,
    s_documents DEFAULT 0, s_deliveries DEFAULT 0, s_delivered DEFAULT 0, s_electronic DEFAULT 0,
    s_with_paper DEFAULT 0, s_paper_not_stated DEFAULT 0, s_not_kept DEFAULT 0, s_same_day DEFAULT 0,
    s_next_morning DEFAULT 0, s_late DEFAULT 0, s_undated DEFAULT 0, s_failed DEFAULT 0, s_cancelled DEFAULT 0,
    s_refused DEFAULT 0, s_taken_back DEFAULT 0, s_take_backs_asked DEFAULT 0, s_take_backs_agreed DEFAULT 0,
    s_requests DEFAULT 0, s_answers_late DEFAULT 0,
    r_documents DEFAULT 0, r_electronic DEFAULT 0, r_with_paper DEFAULT 0, r_paper_not_stated DEFAULT 0,
    r_not_kept DEFAULT 0, r_failed DEFAULT 0, r_refused DEFAULT 0, r_taken_back DEFAULT 0, r_with_deadline DEFAULT 0,
    r_late DEFAULT 0, r_take_backs_asked DEFAULT 0, r_take_backs_agreed DEFAULT 0, r_requests DEFAULT 0,
    r_answers_late DEFAULT 0,
    PRIMARY KEY (period, agency, type)
) WITHOUT ROWID

-- name: whose
-- Recipients that answered, by number: millions of times are sorted by numbers, not by names.
CREATE TEMP TABLE whose (
    number INTEGER PRIMARY KEY, period INTEGER NOT NULL, agency TEXT NOT NULL, type TEXT NOT NULL, line INTEGER,
    UNIQUE (period, agency, type)
)

-- name: answered
CREATE TEMP TABLE answered (number INTEGER NOT NULL, code INTEGER NOT NULL, minutes INTEGER NOT NULL)

-- name: told
CREATE TEMP TABLE told (
    line INTEGER PRIMARY KEY, period INTEGER NOT NULL, agency TEXT, tier TEXT, type TEXT,
    UNIQUE (period, agency, tier, type)
)

-- name: ranked
CREATE TEMP TABLE ranked (rank INTEGER PRIMARY KEY, answer INTEGER NOT NULL, minutes INTEGER NOT NULL)

-- name: halves
-- For each half-day on which something was handed in: the earliest day of issue that was in time then.
CREATE TEMP TABLE halves (half INTEGER PRIMARY KEY, earliest INTEGER NOT NULL)

-- name: tiers
-- Under which code and tier figures of an agency are told: those written under another form of its code are its own.
CREATE TEMP TABLE tiers (agency TEXT PRIMARY KEY, code TEXT NOT NULL, tier TEXT NOT NULL) WITHOUT ROWID

-- name: figures
-- The deliveries of a slice's documents, as they stand and as they stood when they left.
CREATE TEMP TABLE figures (
    message_row INTEGER NOT NULL, delivery_row INTEGER PRIMARY KEY, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    heads INTEGER NOT NULL,  -- 1 in one delivery of each document, by which documents are counted
    kept INTEGER NOT NULL, document_type TEXT, paper INTEGER, issued_day INTEGER, due_day INTEGER, handed_at INTEGER,
    received_at INTEGER, ended TEXT, said_01 INTEGER, said_02 INTEGER, said_03 INTEGER, said_06 INTEGER
)

-- name: figures_asked
CREATE TEMP TABLE figures_asked (
    delivery_row INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, due_at INTEGER NOT NULL, settled_at INTEGER
)

-- name: next_day
SELECT min(day) FROM figure_documents WHERE day > ? AND day <= ?

-- name: sizes
-- How many deliveries each document has, on from one.
SELECT c.message_row, 1 + (SELECT count(*) FROM deliveries d WHERE d.message_row = c.message_row)
    + (SELECT count(*) FROM figure_deliveries l WHERE l.message_row = c.message_row)
FROM figure_documents c WHERE c.day = ? AND c.message_row > ? ORDER BY c.message_row

-- name: forget
DELETE FROM figures

-- name: forget_asked
DELETE FROM figures_asked

-- name: take_here
INSERT INTO figures
SELECT c.message_row, f.delivery_row, c.sender, f.recipient, c.counts, c.kept, c.document_type, c.paper, c.issued_day,
    c.due_day, c.handed_at, f.received_at, f.ended, f.said_01, f.said_02, f.said_03, f.said_06
FROM figure_documents c CROSS JOIN figures_here f ON f.message_row = c.message_row
WHERE c.day = :day AND c.message_row > :after AND c.message_row <= :last

-- name: take_left
INSERT INTO figures
SELECT c.message_row, f.delivery_row, c.sender, f.recipient, c.counts, c.kept, c.document_type, c.paper, c.issued_day,
    c.due_day, c.handed_at, f.received_at, f.ended, f.said_01, f.said_02, f.said_03, f.said_06
FROM figure_documents c CROSS JOIN figure_deliveries f ON f.message_row = c.message_row
WHERE c.day = :day AND c.message_row > :after AND c.message_row <= :last

-- name: take_asked
INSERT INTO figures_asked
SELECT f.delivery_row, o.kind, o.state, o.due_at, o.settled_at
FROM figures f CROSS JOIN obligations o ON o.delivery_row = f.delivery_row
UNION ALL
SELECT f.delivery_row, l.kind, l.state, l.due_at, l.settled_at
FROM figures f CROSS JOIN figure_requests l ON l.delivery_row = f.delivery_row

-- name: one_head
UPDATE figures SET heads = 0
WHERE heads AND delivery_row NOT IN (SELECT min(delivery_row) FROM figures GROUP BY message_row)

-- name: new_halves
SELECT DISTINCT (handed_at + 25200000) / 43200000 FROM figures
WHERE heads = 1 AND handed_at IS NOT NULL
  AND (handed_at + 25200000) / 43200000 NOT IN (SELECT half FROM halves)

-- name: add_half
INSERT INTO halves VALUES (?, ?)

-- name: sent
INSERT INTO counted (period, agency, type, s_documents, s_deliveries, s_delivered, s_electronic, s_with_paper,
    s_paper_not_stated, s_not_kept, s_same_day, s_next_morning, s_late, s_undated, s_failed, s_cancelled, s_refused,
    s_taken_back)
SELECT :period, iif(:by_whom, f.sender, '') AS whom, iif(:by_type, coalesce(f.document_type, ''), '') AS type, sum(f.heads), count(*), count(f.received_at),
    count(*) FILTER (WHERE f.heads AND f.paper = 0), count(*) FILTER (WHERE f.heads AND f.paper = 1), count(*) FILTER (WHERE f.heads AND f.kept AND f.paper IS NULL),
    count(*) FILTER (WHERE f.heads AND NOT f.kept),
    count(*) FILTER (WHERE f.heads AND f.issued_day = (f.handed_at + 25200000) / 86400000),
    count(*) FILTER (WHERE f.heads AND f.issued_day < (f.handed_at + 25200000) / 86400000 AND f.issued_day >= h.earliest),
    count(*) FILTER (WHERE f.heads AND f.issued_day < (f.handed_at + 25200000) / 86400000 AND f.issued_day < h.earliest),
    count(*) FILTER (WHERE f.heads AND (f.issued_day IS NULL OR f.handed_at IS NULL OR f.issued_day > (f.handed_at + 25200000) / 86400000)),
    count(*) FILTER (WHERE f.ended IN ('refused', 'expired')),
    count(*) FILTER (WHERE f.ended = 'cancelled'), count(f.said_02),
    count(*) FILTER (WHERE f.ended = 'taken-back')
FROM figures f LEFT JOIN halves h ON h.half = (f.handed_at + 25200000) / 43200000
WHERE (:agencies IS NULL OR f.sender IN (SELECT value FROM json_each(:agencies)))
GROUP BY 2, 3
ON CONFLICT DO UPDATE SET s_documents = s_documents + excluded.s_documents,
    s_deliveries = s_deliveries + excluded.s_deliveries, s_delivered = s_delivered + excluded.s_delivered,
    s_electronic = s_electronic + excluded.s_electronic, s_with_paper = s_with_paper + excluded.s_with_paper,
    s_paper_not_stated = s_paper_not_stated + excluded.s_paper_not_stated,
    s_not_kept = s_not_kept + excluded.s_not_kept, s_same_day = s_same_day + excluded.s_same_day,
    s_next_morning = s_next_morning + excluded.s_next_morning, s_late = s_late + excluded.s_late,
    s_undated = s_undated + excluded.s_undated, s_failed = s_failed + excluded.s_failed,
    s_cancelled = s_cancelled + excluded.s_cancelled, s_refused = s_refused + excluded.s_refused,
    s_taken_back = s_taken_back + excluded.s_taken_back

-- name: received
-- What never reached its recipient is counted where it failed, and nowhere else.
INSERT INTO counted (period, agency, type, r_documents, r_electronic, r_with_paper, r_paper_not_stated, r_not_kept,
    r_failed, r_refused, r_taken_back, r_with_deadline, r_late)
SELECT :period, iif(:by_whom, f.recipient, '') AS whom, iif(:by_type, coalesce(f.document_type, ''), '') AS type, count(f.received_at),
    count(*) FILTER (WHERE f.received_at IS NOT NULL AND f.paper = 0), count(*) FILTER (WHERE f.received_at IS NOT NULL AND f.paper = 1),
    count(*) FILTER (WHERE f.received_at IS NOT NULL AND f.kept AND f.paper IS NULL), count(*) FILTER (WHERE f.received_at IS NOT NULL AND NOT f.kept),
    count(*) FILTER (WHERE f.ended IN ('refused', 'expired')), count(f.said_02),
    count(*) FILTER (WHERE f.ended = 'taken-back'),
    count(*) FILTER (WHERE f.received_at IS NOT NULL AND f.due_day IS NOT NULL AND f.ended IS NULL AND f.said_02 IS NULL),
    count(*) FILTER (WHERE f.received_at IS NOT NULL AND f.due_day IS NOT NULL AND f.ended IS NULL AND f.said_02 IS NULL
        AND f.due_day < coalesce((f.said_06 + 25200000) / 86400000, :as_of))
FROM figures f
WHERE (:agencies IS NULL OR f.recipient IN (SELECT value FROM json_each(:agencies)))
GROUP BY 2, 3
ON CONFLICT DO UPDATE SET r_documents = r_documents + excluded.r_documents,
    r_electronic = r_electronic + excluded.r_electronic, r_with_paper = r_with_paper + excluded.r_with_paper,
    r_paper_not_stated = r_paper_not_stated + excluded.r_paper_not_stated,
    r_not_kept = r_not_kept + excluded.r_not_kept, r_failed = r_failed + excluded.r_failed,
    r_refused = r_refused + excluded.r_refused, r_taken_back = r_taken_back + excluded.r_taken_back,
    r_with_deadline = r_with_deadline + excluded.r_with_deadline, r_late = r_late + excluded.r_late

-- name: add_whose
INSERT OR IGNORE INTO whose (period, agency, type)
SELECT DISTINCT :period, iif(:by_whom, f.recipient, ''), iif(:by_type, coalesce(f.document_type, ''), '')
FROM figures f
WHERE f.received_at IS NOT NULL AND (f.said_01 IS NOT NULL OR f.said_03 IS NOT NULL)
  AND (:agencies IS NULL OR f.recipient IN (SELECT value FROM json_each(:agencies)))

-- name: times
-- Whole minutes begun; a status that overtook the word of its document's arrival took none.
INSERT INTO answered
SELECT w.number, 1, max(0, f.said_01 - f.received_at + 59999) / 60000
FROM figures f CROSS JOIN whose w ON w.period = :period AND w.agency = iif(:by_whom, f.recipient, '')
    AND w.type = iif(:by_type, coalesce(f.document_type, ''), '')
WHERE f.received_at IS NOT NULL AND f.said_01 IS NOT NULL
  AND (:agencies IS NULL OR f.recipient IN (SELECT value FROM json_each(:agencies)))
UNION ALL
SELECT w.number, 3, max(0, f.said_03 - f.received_at + 59999) / 60000
FROM figures f CROSS JOIN whose w ON w.period = :period AND w.agency = iif(:by_whom, f.recipient, '')
    AND w.type = iif(:by_type, coalesce(f.document_type, ''), '')
WHERE f.received_at IS NOT NULL AND f.said_03 IS NOT NULL
  AND (:agencies IS NULL OR f.recipient IN (SELECT value FROM json_each(:agencies)))

-- name: asked_of_sender
INSERT INTO counted (period, agency, type, s_take_backs_asked, s_take_backs_agreed, s_requests, s_answers_late)
SELECT :period, iif(:by_whom, f.sender, '') AS whom, iif(:by_type, coalesce(f.document_type, ''), '') AS type, count(*) FILTER (WHERE a.kind = 'take-back'),
    count(*) FILTER (WHERE a.kind = 'take-back' AND a.state IN ('agreed', 'taken-back')), count(*),
    count(*) FILTER (WHERE a.due_at < coalesce(a.settled_at, :now))
FROM figures_asked a JOIN figures f ON f.delivery_row = a.delivery_row
WHERE (:agencies IS NULL OR f.sender IN (SELECT value FROM json_each(:agencies)))
GROUP BY 2, 3
ON CONFLICT DO UPDATE SET s_take_backs_asked = s_take_backs_asked + excluded.s_take_backs_asked,
    s_take_backs_agreed = s_take_backs_agreed + excluded.s_take_backs_agreed,
    s_requests = s_requests + excluded.s_requests, s_answers_late = s_answers_late + excluded.s_answers_late

-- name: asked_of_recipient
INSERT INTO counted (period, agency, type, r_take_backs_asked, r_take_backs_agreed, r_requests, r_answers_late)
SELECT :period, iif(:by_whom, f.recipient, '') AS whom, iif(:by_type, coalesce(f.document_type, ''), '') AS type, count(*) FILTER (WHERE a.kind = 'take-back'),
    count(*) FILTER (WHERE a.kind = 'take-back' AND a.state IN ('agreed', 'taken-back')), count(*),
    count(*) FILTER (WHERE a.due_at < coalesce(a.settled_at, :now))
FROM figures_asked a JOIN figures f ON f.delivery_row = a.delivery_row
WHERE (:agencies IS NULL OR f.recipient IN (SELECT value FROM json_each(:agencies)))
GROUP BY 2, 3
ON CONFLICT DO UPDATE SET r_take_backs_asked = r_take_backs_asked + excluded.r_take_backs_asked,
    r_take_backs_agreed = r_take_backs_agreed + excluded.r_take_backs_agreed,
    r_requests = r_requests + excluded.r_requests, r_answers_late = r_answers_late + excluded.r_answers_late

-- name: agencies
SELECT DISTINCT agency FROM counted

-- name: add_tier
INSERT INTO tiers VALUES (?, ?, ?)

-- name: lines
SELECT c.period, iif(:by_agency, t.code, NULL) AS agency, iif(:by_tier, t.tier, NULL) AS tier,
    iif(:by_type, c.type, NULL) AS type,
    sum(s_documents), sum(s_deliveries), sum(s_delivered), sum(s_electronic), sum(s_with_paper),
    sum(s_paper_not_stated), sum(s_not_kept), sum(s_same_day), sum(s_next_morning), sum(s_late), sum(s_undated),
    sum(s_failed), sum(s_cancelled), sum(s_refused), sum(s_taken_back), sum(s_take_backs_asked),
    sum(s_take_backs_agreed), sum(s_requests), sum(s_answers_late),
    sum(r_documents), sum(r_electronic), sum(r_with_paper), sum(r_paper_not_stated), sum(r_not_kept),
    sum(r_failed), sum(r_refused), sum(r_taken_back), sum(r_with_deadline), sum(r_late), sum(r_take_backs_asked),
    sum(r_take_backs_agreed), sum(r_requests), sum(r_answers_late)
FROM counted c JOIN tiers t ON t.agency = c.agency
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT :limit

-- name: tell_apart
INSERT INTO told (period, agency, tier, type)
SELECT DISTINCT w.period, iif(:by_agency, t.code, NULL), iif(:by_tier, t.tier, NULL), iif(:by_type, w.type, NULL)
FROM whose w JOIN tiers t ON t.agency = w.agency

-- name: find_lines
UPDATE whose SET line = (
    SELECT o.line FROM tiers t JOIN told o ON o.period = whose.period
        AND o.agency IS iif(:by_agency, t.code, NULL) AND o.tier IS iif(:by_tier, t.tier, NULL)
        AND o.type IS iif(:by_type, whose.type, NULL)
    WHERE t.agency = whose.agency)

-- name: rank
-- Sorted once; a line's times for a code then have consecutive numbers.
INSERT INTO ranked (answer, minutes)
SELECT w.line * 4 + a.code AS answer, a.minutes FROM answered a JOIN whose w ON w.number = a.number
ORDER BY 1, 2

-- name: percentiles
-- Nearest rank: the least number of minutes that so many of them took at most.
WITH spans AS MATERIALIZED (
    SELECT answer, min(rank) AS first, count(*) AS total FROM ranked GROUP BY answer)
SELECT o.period, o.agency, o.tier, o.type, s.answer % 4, s.total, m.minutes, p.minutes
FROM spans s JOIN told o ON o.line = s.answer / 4
JOIN ranked m ON m.rank = s.first + (s.total + 1) / 2 - 1
JOIN ranked p ON p.rank = s.first + (s.total * 9 + 9) / 10 - 1

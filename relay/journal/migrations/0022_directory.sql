-- A change of a hundred thousand agencies is written in small transactions that others pass between, and
-- comes into force with the last of them (journal/directory.py). So records are kept by the change that
-- brought them: of those up to the one in force the newest holds; later ones are an unfinished change's.

CREATE TABLE directory_force (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    change INTEGER NOT NULL,
    as_of  TEXT NOT NULL,       -- day, configuration and rules that the view was made by
    tree   TEXT NOT NULL        -- the nodes of the view, as JSON
);
INSERT INTO directory_force VALUES (1, 0, '', '[]');

ALTER TABLE directory_own RENAME TO directory_own_before;
CREATE TABLE directory_own (
    code   TEXT NOT NULL,
    change INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (code, change)
) WITHOUT ROWID;
INSERT INTO directory_own SELECT code, 0, record FROM directory_own_before ORDER BY code;
DROP TABLE directory_own_before;

ALTER TABLE directory_ledger RENAME TO directory_ledger_before;
CREATE TABLE directory_ledger (
    code        TEXT NOT NULL,
    change      INTEGER NOT NULL,
    number      INTEGER NOT NULL,   -- an agency's own for good, never given twice
    version     INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    standing    TEXT NOT NULL,      -- open, not-yet, closed, gone
    record      TEXT NOT NULL,
    PRIMARY KEY (code, change)
) WITHOUT ROWID;
INSERT INTO directory_ledger
SELECT code, 0, number, version, modified_at, standing, record FROM directory_ledger_before ORDER BY code;
DROP TABLE directory_ledger_before;

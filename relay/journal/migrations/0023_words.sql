-- Who did something and why, beside the leaves that hold the salted digests of it (audit/words.py). A row
-- may be removed; the log still verifies. Entries of older releases hold their words themselves.
CREATE TABLE entry_words (
    entry_index INTEGER PRIMARY KEY,
    salt        BLOB NOT NULL,
    words       TEXT NOT NULL    -- a JSON object, place in the leaf -> text
);

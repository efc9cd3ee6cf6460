-- Messages that left for an archive file: the file, linked to the one before it by digest, and where in it the
-- evidence of each message lies, again for each time it was archived. What stands here stays for good: it is what
-- finds a message again.
CREATE TABLE archive_files (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL,
    previous   TEXT NOT NULL,            -- '' for the first
    size_bytes INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    written_at INTEGER NOT NULL
);
CREATE TABLE archived (
    message_id  TEXT NOT NULL,
    origin      TEXT NOT NULL,
    message_row INTEGER NOT NULL,        -- never given twice, so it names this message also after its row left
    number      INTEGER NOT NULL REFERENCES archive_files (number),
    start       INTEGER NOT NULL,        -- where in the file the evidence begins
    size_bytes  INTEGER NOT NULL,
    digest      TEXT NOT NULL,           -- of the evidence
    readers     TEXT NOT NULL,           -- the sender, and who had the document and may have all the rest
    envelope    TEXT NOT NULL,           -- digest and size of its document, which begins the evidence
    envelope_bytes INTEGER NOT NULL,
    receipts    INTEGER NOT NULL,        -- how many there were of it: more came later where there are more now
    PRIMARY KEY (message_id, origin, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX archived_by_row ON archived (message_row, number);

-- Legal holds: what they name stays whatever its age, until somebody releases it.
CREATE TABLE holds (
    kind    TEXT NOT NULL,               -- 'message' or 'agency'
    name    TEXT NOT NULL,
    by      TEXT NOT NULL,
    why     TEXT NOT NULL,
    held_at INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- Bridges (delivery/bridges/): remotes that only speak the axis dialect, and keep no evidence for us.

-- What was handed to a remote. `part` is '' for the package of a whole transfer, or the one recipient whose
-- package it is. `asked` counts attempts that may have reached it; it is durable before each of them.
CREATE TABLE bridge_sent (
    transfer_id TEXT NOT NULL,
    part        TEXT NOT NULL,
    bridge      TEXT NOT NULL,
    message_row INTEGER NOT NULL REFERENCES messages (message_row),
    asked       INTEGER NOT NULL,
    asked_at    INTEGER NOT NULL,            -- the first of them
    doc_id      TEXT,                        -- NULL until the remote is known to have it
    facts       TEXT NOT NULL DEFAULT '',    -- how it is known, as the evidence says it
    answer      TEXT,                        -- digest of the answer it was read in
    PRIMARY KEY (transfer_id, part)
) WITHOUT ROWID;
CREATE INDEX bridge_sent_by_doc ON bridge_sent (bridge, doc_id) WHERE doc_id IS NOT NULL;
CREATE INDEX bridge_sent_by_message ON bridge_sent (message_row);

-- What a remote listed for us, by its docId: what became of it here, and what the remote was told.
CREATE TABLE bridge_received (
    bridge       TEXT NOT NULL,
    doc_id       TEXT NOT NULL,
    row_digest   TEXT NOT NULL,              -- of the list's row, should a docId be used again
    message_row  INTEGER REFERENCES messages (message_row),   -- NULL: refused
    reason       TEXT,
    detail       TEXT NOT NULL DEFAULT '',
    told         TEXT NOT NULL DEFAULT '',   -- '', processing, done, fail
    open         INTEGER NOT NULL,           -- 1 while the remote has to be told more
    judged_at    INTEGER NOT NULL,
    PRIMARY KEY (bridge, doc_id)
) WITHOUT ROWID;
CREATE INDEX bridge_received_open ON bridge_received (bridge, judged_at) WHERE open = 1;
CREATE INDEX bridge_received_by_message ON bridge_received (message_row) WHERE message_row IS NOT NULL;
CREATE INDEX bridge_received_refused ON bridge_received (judged_at) WHERE message_row IS NULL;

-- The same document under other bytes: delivered once for each bridge, business hash and recipient.
CREATE TABLE bridge_documents (
    bridge      TEXT NOT NULL,
    business    TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    message_row INTEGER NOT NULL REFERENCES messages (message_row),
    PRIMARY KEY (bridge, business, recipient)
) WITHOUT ROWID;
CREATE INDEX bridge_documents_by_message ON bridge_documents (message_row);

-- Raw answers that evidence names by their digest, as long as they are short.
CREATE TABLE bridge_answers (
    digest  TEXT PRIMARY KEY,
    content BLOB NOT NULL,
    at      INTEGER NOT NULL
) WITHOUT ROWID;

-- Lists that fail apart from sends: the waits of polling, by bridge.
CREATE TABLE bridge_polls (
    bridge     TEXT PRIMARY KEY,
    failures   INTEGER NOT NULL,
    retry_at   INTEGER NOT NULL,
    last_error TEXT NOT NULL
) WITHOUT ROWID;

CREATE TRIGGER bridge_rows_go AFTER DELETE ON messages BEGIN
    DELETE FROM bridge_sent WHERE message_row = old.message_row;
    DELETE FROM bridge_received WHERE message_row = old.message_row;
    DELETE FROM bridge_documents WHERE message_row = old.message_row;
END;

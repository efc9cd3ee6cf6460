-- RFC 3161 timestamps (delivery/stamping/): what is to be stamped, and what came of it. They stand beside
-- what they stamp, which is never rewritten.
CREATE TABLE stamps (
    stamp_row   INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,               -- seal, head
    name        TEXT NOT NULL,               -- of a seal the message's row, of a head its epoch and size
    message_row INTEGER REFERENCES messages (message_row),   -- of a seal
    content     BLOB NOT NULL,               -- the very bytes that are stamped
    wanted_at   INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL,
    last_error  TEXT NOT NULL DEFAULT '',
    authority   TEXT,                        -- NULL while it waits
    token       BLOB,                        -- DER
    gen_time    INTEGER,
    UNIQUE (kind, name)
);
CREATE INDEX stamps_waiting ON stamps (not_before) WHERE token IS NULL;
CREATE INDEX stamps_by_message ON stamps (message_row) WHERE message_row IS NOT NULL;

-- How far seals were looked at. What was sealed before this version is stamped when its evidence is asked for.
CREATE TABLE stamps_mark (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    message_row INTEGER NOT NULL
);
INSERT INTO stamps_mark SELECT 1, coalesce(max(message_row), 0) FROM messages;

CREATE TRIGGER stamps_go AFTER DELETE ON messages BEGIN
    DELETE FROM stamps WHERE message_row = old.message_row;
END;

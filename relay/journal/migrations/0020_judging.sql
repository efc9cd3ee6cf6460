-- Signatures made by others (docs/adr/0024): what waits to be judged, and what was found.

CREATE TABLE judging (
    message_row INTEGER PRIMARY KEY REFERENCES messages (message_row)
);

CREATE TABLE judged (
    message_row INTEGER PRIMARY KEY REFERENCES messages (message_row),
    verdict     TEXT,                -- NULL: nothing in it is signed
    flaws       TEXT NOT NULL,       -- of the whole, as JSON
    known_at    INTEGER NOT NULL,    -- as of when
    judged_at   INTEGER NOT NULL
);

-- One row for each attachment that was judged, and for the document's own XML (-1).
CREATE TABLE judgements (
    message_row INTEGER NOT NULL REFERENCES messages (message_row),
    position    INTEGER NOT NULL,
    verdict     TEXT,
    part        TEXT NOT NULL,       -- relay/judgement.py, as JSON
    PRIMARY KEY (message_row, position)
) WITHOUT ROWID;

CREATE TRIGGER judgements_go AFTER DELETE ON messages BEGIN
    DELETE FROM judging WHERE message_row = old.message_row;
    DELETE FROM judged WHERE message_row = old.message_row;
    DELETE FROM judgements WHERE message_row = old.message_row;
END;

-- Retention goes over the messages in the order in which they came: a mark in `meta` says how far it is,
-- and `lingering` names those behind the mark that still keep something. Nothing is paid for it while a
-- document is on its way: no index, no column.
CREATE TABLE lingering (
    part        TEXT NOT NULL,          -- 'payload' or 'rows'
    message_row INTEGER NOT NULL REFERENCES messages (message_row),
    PRIMARY KEY (part, message_row)
) WITHOUT ROWID;

-- Who needs a payload, beyond the message ahead of the mark that brought it: messages of the same bytes,
-- and those behind the mark that keep theirs.
CREATE TABLE payload_users (
    digest      TEXT NOT NULL,
    message_row INTEGER NOT NULL REFERENCES messages (message_row),
    PRIMARY KEY (digest, message_row)
) WITHOUT ROWID;
INSERT INTO payload_users
SELECT digest, message_row FROM messages
WHERE digest IN (SELECT digest FROM messages GROUP BY digest HAVING count(*) > 1);

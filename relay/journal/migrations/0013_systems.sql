-- Document-management systems that operators added while the node ran (delivery/operators/systems.py).
-- What the configuration lists is not here.
CREATE TABLE systems (
    systemid       TEXT PRIMARY KEY,
    agencies       TEXT NOT NULL,        -- JSON lists
    addresses      TEXT NOT NULL,
    certificates   TEXT NOT NULL,        -- DER in base64
    freshness      TEXT NOT NULL,
    window_seconds INTEGER NOT NULL,
    rest           INTEGER NOT NULL,
    created_at     INTEGER NOT NULL
) WITHOUT ROWID;

-- Their secrets, sealed under a key of the node's. `key_id` NULL: a mark by which a secret of the
-- configuration is known again, which ends although it still stands there.
CREATE TABLE system_secrets (
    secret_id  TEXT PRIMARY KEY,
    systemid   TEXT NOT NULL,
    key_id     TEXT,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at    INTEGER                   -- NULL: until rotated or revoked
) WITHOUT ROWID;
CREATE INDEX system_secrets_of ON system_secrets (systemid);

-- A recipient's list is what is not yet acknowledged `done`, polled every few minutes: what was handed
-- over in years must not be walked each time.
CREATE INDEX deliveries_open_of ON deliveries (recipient, inbox_cursor)
    WHERE inbox_cursor IS NOT NULL AND acknowledgement <> 'done';

-- What was taken over is asked for by days.
CREATE INDEX deliveries_done_of ON deliveries (recipient, available_at, inbox_cursor)
    WHERE inbox_cursor IS NOT NULL AND acknowledgement = 'done';

-- Of what was sent: the little that is under way or failed, among all that arrived.
CREATE INDEX deliveries_under_way ON deliveries (message_row)
    WHERE state IN ('sealing', 'queued', 'held', 'in-flight', 'in-doubt', 'relayed');
CREATE INDEX deliveries_failed ON deliveries (message_row)
    WHERE state IN ('refused', 'expired', 'cancelled', 'taken-back');

-- What was put back by its recipient's system: few, and an operator should see how many.
CREATE INDEX deliveries_put_back ON deliveries (delivery_row)
    WHERE acknowledgement = 'fail' AND state IN ('available', 'fetched') AND inbox_cursor IS NOT NULL;

-- A sender's list is the newest first, and asked by days: the same index serves both.
DROP INDEX messages_by_sender;
CREATE INDEX messages_by_sender ON messages (sender, accepted_at, message_row) WHERE submitted_by IS NOT NULL;

-- What authorities said of revocations: CRLs and OCSP responses, with the certificates that prove them
-- again. `about` is an issuer's id or a certificate's digest. Of each the newest stays, and those by
-- which a seal or receipt was judged (`kept`), as long as the receipts.
CREATE TABLE statements (
    digest      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    about       TEXT NOT NULL,
    content     BLOB NOT NULL,
    certificate BLOB NOT NULL,
    issuer      BLOB NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER,
    stored_at   INTEGER NOT NULL,
    kept        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (digest, about)
);
CREATE INDEX statements_about ON statements (kind, about, this_update);

-- Certificates whose path was proven here: what statements are wanted about after a start.
CREATE TABLE met_certificates (
    certificate TEXT PRIMARY KEY,
    content     BLOB NOT NULL,
    issuer      BLOB NOT NULL,
    met_at      INTEGER NOT NULL
);
CREATE INDEX met_certificates_at ON met_certificates (met_at);

-- Those of them that are revoked: noted once, with an audit entry.
CREATE TABLE revoked_certificates (
    certificate TEXT PRIMARY KEY,
    since       INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    agencies    TEXT NOT NULL,           -- JSON list
    node        TEXT,
    purpose     TEXT NOT NULL,
    serial      TEXT NOT NULL,
    noted_at    INTEGER NOT NULL
) WITHOUT ROWID;

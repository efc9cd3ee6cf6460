-- Certificates of this node's log keys, those in use before too, and the earlier keys of neighbours' logs.
-- Which of them signed which epoch say the first entries of the epochs, by the certificates' digests.

CREATE TABLE log_certificates (
    certificate_row INTEGER PRIMARY KEY,
    digest       TEXT NOT NULL UNIQUE,  -- SHA-256 of the log's own certificate
    certificates TEXT NOT NULL          -- the chain, DER in base64, as JSON; its own first
);

-- What was cosigned or signed with them stays proven.
CREATE TABLE witness_keys_before (
    node         TEXT NOT NULL,
    public_key   BLOB NOT NULL,
    certificates TEXT NOT NULL,
    since        INTEGER NOT NULL,
    PRIMARY KEY (node, public_key)
) WITHOUT ROWID;

-- Whom the node trusts, by digest: what changes between two runs is noted at the start
-- (delivery/operators/trusting.py). The certificates themselves are files that the settings name.
CREATE TABLE trusted (
    listed_as TEXT NOT NULL,             -- roots, intermediates, or the role it is pinned for
    sha256    TEXT NOT NULL,
    since     INTEGER NOT NULL,
    PRIMARY KEY (listed_as, sha256)
) WITHOUT ROWID;

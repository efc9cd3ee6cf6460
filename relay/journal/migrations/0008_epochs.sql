-- Epochs of the log that have ended, each with its last signed head. The present one is in log_head.
CREATE TABLE epochs (
    epoch INTEGER PRIMARY KEY,
    note  BLOB NOT NULL
);

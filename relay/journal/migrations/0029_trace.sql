-- A message's own entries of the log are found without reading the log: by the 36 characters behind
-- "message":" in the leaf, as bytes, so that no leaf (a damaged one either) can make an insertion fail.
CREATE INDEX entries_by_message ON entries (substr(leaf, instr(leaf, x'226d657373616765223a22') + 11, 36))
    WHERE instr(leaf, x'226d657373616765223a22') > 0;

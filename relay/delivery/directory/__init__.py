"""The directory while a node runs: kept, changed with an entry for each change, passed to neighbours."""

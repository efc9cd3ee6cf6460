"""The log: entries, Merkle tree, signed heads, and their verification."""

"""Proofs of the log that follow receipts on their way back to the origin."""

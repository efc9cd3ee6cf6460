"""Revocation as the node lives with it: statements kept fresh off the hot path, and what a revocation holds."""

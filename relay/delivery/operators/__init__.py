"""Operators: their orders, what they are shown and why, their tokens, the log they read."""

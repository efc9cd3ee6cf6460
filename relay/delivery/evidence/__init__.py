"""Everything about one message in one file that a stranger can judge."""

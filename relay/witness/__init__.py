"""Witnesses: neighbours cosign each other's heads, so that nobody can show two histories."""

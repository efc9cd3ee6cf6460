"""A node's configuration: `reading` gives the `Settings`, or every problem at once.

reading → environment, sound (each section by itself), contradictions (what no single key shows) →
settings (the whole), directory (its files) → sections → wording.
"""

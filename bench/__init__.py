"""Benchmarks: what one hop between two real nodes costs, and where the README's numbers come from."""

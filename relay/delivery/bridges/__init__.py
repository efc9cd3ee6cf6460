"""Bridges: next hops that only speak the axis dialect, sent to and polled; docs/bridges.md."""

"""A node: the parts of the relay put together, started, drained and stopped.

process (signals, exit codes) → node (the order of start and stop) → disk, carrying, desks, faces (what
there is, joined) → background and listeners (what runs). Nothing here decides anything about a document.
"""

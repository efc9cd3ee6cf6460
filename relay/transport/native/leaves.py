"""An entry of the log as its readers get it: the leaf's own bytes, and the words beside them.

Touches: nothing. Trusts: that a leaf is canonical JSON on one line.
"""

from __future__ import annotations

import json

from relay.delivery.ports import LogEntry


def member(entry: LogEntry) -> bytes:
    """Of a list in a JSON document."""
    return b'{"index":%d,"entry":%s%s}' % (entry.index, entry.leaf, _beside(entry, b","))


def event(entry: LogEntry) -> bytes:
    """The leaf as data. Words beside it come just before, as an event of their own that moves no cursor:
    a connection that breaks between the two brings both again."""
    leaf = b"id: %d\ndata: %s\n\n" % (entry.index, entry.leaf)
    if not entry.words:
        return leaf
    return b'event: words\ndata: {"index":%d,%s}\n\n%s' % (entry.index, _beside(entry), leaf)


def _beside(entry: LogEntry, before: bytes = b"") -> bytes:
    """The members `salt` and `words`, of an entry that has any: the leaf's own bytes stay what they are."""
    if not entry.words:
        return b""
    words = json.dumps(dict(entry.words), ensure_ascii=False).encode()
    return b'%s"salt":"%s","words":%s' % (before, entry.salt.hex().encode(), words)

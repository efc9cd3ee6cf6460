"""Clocks that jump while a node runs: libfaketime, and a file for each node that says how far.

The monotonic clock stays true, as it does when somebody sets a machine's time.

Touches: one file for each node; looks for the library where Debian's package `faketime` puts it.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from relay.demo.network import RunningNode
from tests.acceptance.experiments.city import Launch

_PLACES = ("/usr/lib", "/usr/local/lib", "/lib")
_LIBRARY = "faketime/libfaketimeMT.so.1"


def library() -> Path | None:
    """The library, where it is installed."""
    for place in _PLACES:
        for found in sorted(Path(place).glob(f"**/{_LIBRARY}")):
            return found
    return None


def clock_file(node: RunningNode) -> Path:
    return node.folder / "clock"


def set_clock(node: RunningNode, off: timedelta) -> None:
    """From now on the node's clock is off by this much."""
    draft = clock_file(node).with_suffix(".new")
    draft.write_text(f"{off.total_seconds():+.0f}\n", encoding="ascii")
    draft.rename(clock_file(node))


def under_clock(node: RunningNode) -> Launch:
    found = library()
    assert found is not None
    environment = {
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(clock_file(node)),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_CACHE_DURATION": "1",  # seconds after which the file is read again
    }
    return Launch(environment=environment)

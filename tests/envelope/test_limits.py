"""Sizes as people read them."""

from __future__ import annotations

import pytest

from relay.envelope.limits import in_units


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (90, "90 bytes"),
        (512 << 10, "512 KiB"),
        (41 << 20, "41 MiB"),
        (1_000_000, "976.6 KiB (1000000 bytes)"),
        (1_201_526, "1.1 MiB (1201526 bytes)"),
        ((1 << 30) + 1, "1.0 GiB (1073741825 bytes)"),
    ],
)
def test_a_size_is_never_rounded_without_its_bytes(size_bytes: int, text: str) -> None:
    """Two sizes around a limit never read alike."""
    assert in_units(size_bytes) == text

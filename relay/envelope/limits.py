"""How much an envelope may cost before it is refused, and how long edXML says its fields are.

Touches: nothing. Every bound of `Limits` is enforced while the bytes stream by; the lengths of
FIELD_CHARACTERS are only remarked on by the reader, and kept by the writer.
"""

from __future__ import annotations

from dataclasses import dataclass

SLICE_BYTES = 256 * 1024
"""What expat is fed at a time. Slices are cut at fixed offsets, so how the bytes arrive on the
network can change neither the result nor the place where a fault is found."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one envelope. The defaults hold a document to 5,000 agencies with 1,000 files (E1.4)."""

    envelope_bytes: int = 1 << 30
    """DMSs of today stop at 50 MB a file; scanned plans and maps are some hundred megabytes."""
    header_bytes: int = 8 << 20
    """Everything outside base64. 5,000 `To` with all eight fields filled take about 4.5 MB."""
    token_bytes: int = 1 << 20
    """One tag, comment or instruction: expat before 2.6 takes quadratic time over a long one."""
    depth: int = 32
    """edXML itself is nine deep; the rest is room for what vendors add."""
    elements: int = 60_000
    """5,000 `To` of nine elements, 1,000 attachments of eleven, and the header."""
    attributes: int = 32
    """Of one element, namespace declarations included; edXML uses two."""
    text_chars: int = 256 * 1024
    """One field outside base64. The longest met are certificates of a few kilobytes."""
    name_chars: int = 128
    namespace_chars: int = 256
    """A namespace is copied into the name of every element, so a long one multiplies."""
    recipients: int = 5_000
    """A circular to every commune and ministry of the country has about 3,500."""
    attachments: int = 1_000
    findings: int = 100
    """After as many, only their number is kept."""
    marking_elements: frozenset[str] = frozenset()
    """Local names of elements that mark a state secret in some vendor's dialect: when such an
    element has a text other than 0 or false, the envelope is refused."""


DEFAULT = Limits()

# QCVN 102:2016 (CodeNumber 11 and CodeNotation 30 are crossed daily: 50 and 75 are met).
FIELD_CHARACTERS: dict[str, int] = {
    "OrganId": 35,
    "OrganName": 200,
    "CodeNumber": 11,
    "CodeNotation": 30,
    "Subject": 500,
    "AttachmentName": 500,
}
SHORTEST_FIELD = min(FIELD_CHARACTERS.values())
# What the writer and the schema allow: the same, with the lengths that are really met.
WRITTEN_CHARACTERS: dict[str, int] = {**FIELD_CHARACTERS, "CodeNumber": 50, "CodeNotation": 75}


def in_units(size_bytes: int) -> str:
    """41 MiB, 90 bytes, 1.1 MiB (1201526 bytes): as people read it, never less than exact."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= factor:
            if size_bytes % factor == 0:
                return f"{size_bytes // factor} {unit}"
            return f"{size_bytes / factor:.1f} {unit} ({size_bytes} bytes)"
    return f"{size_bytes} bytes"
